/** The value of each lower-case hexadecimal digit by its character code, -1 for the rest. */
export const HEX_VALUES: Int8Array = hexValues();

function hexValues(): Int8Array {
  const values = new Int8Array(256).fill(-1);
  for (let value = 0; value < 16; value++) values[value.toString(16).charCodeAt(0)] = value;
  return values;
}
