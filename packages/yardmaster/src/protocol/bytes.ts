import type {} from "./native-strings.ts";

/**
 * Bytes held as a string with one character (0 to 255) for each byte.
 *
 * V8 keeps such a string in one flat object of 16 bytes and its content, half of what a `Uint8Array` view
 * costs, and a waiting task does not keep the whole frame alive that it came in. Payloads and results are
 * byte strings everywhere between client and handler; nothing in between looks inside.
 */
export type ByteString = string;

/** The UTF-8 bytes of a text. */
export function encodeText(text: string): ByteString {
  // ASCII text is its own byte string: the common case for JSON costs one native length check.
  return Buffer.byteLength(text, "utf8") === text.length ? text : Buffer.from(text, "utf8").latin1Slice();
}

/** The text whose UTF-8 bytes these are; bytes that are not UTF-8 become U+FFFD. */
export function decodeText(bytes: ByteString): string {
  return Buffer.byteLength(bytes, "utf8") === bytes.length ? bytes : Buffer.from(bytes, "latin1").utf8Slice();
}

export function toBuffer(bytes: ByteString): Buffer {
  return Buffer.from(bytes, "latin1");
}

export function fromBuffer(bytes: Uint8Array): ByteString {
  return viewOf(bytes).latin1Slice();
}

/** The same bytes as a `Buffer`, not copied. */
export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
