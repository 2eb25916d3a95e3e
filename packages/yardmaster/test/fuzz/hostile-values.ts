import type { Dice } from "./dice.ts";

const LONE_HIGH = "\ud800";
const LONE_LOW = "\udc00";

/** Texts that have broken programs: as names, keys, ids, paths, fields. */
export const HOSTILE_TEXTS: readonly [string, ...string[]] = [
  "",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "\0",
  "a\0b",
  "a\r\nSet-Cookie: b",
  "\u001b[2J\u001b]0;title\u0007",
  "\u202egnp.exe",
  LONE_HIGH,
  `${LONE_LOW}${LONE_HIGH}`,
  "../../etc/passwd",
  "file:///etc/passwd",
  "node:child_process",
  "data:text/javascript,0",
  ":{}*#>.$",
  "'; DROP TABLE task; --",
  "${7*7}{{7*7}}",
  "9007199254740993",
  "NaN",
  "null",
  "é".repeat(600),
  "x".repeat(1_025),
  "x".repeat(20_000),
];

/** Numbers at and beyond the edges of what a field may hold. */
export const HOSTILE_NUMBERS: readonly [number, ...number[]] = [
  0,
  -0,
  -1,
  0.5,
  1,
  127,
  128,
  255,
  256,
  4_095,
  4_096,
  2 ** 31,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  2 ** 53 + 2,
  8.64e15,
  8.65e15,
  1e308,
  5e-324,
];

/** JSON text of something that should not be where it is put. Not all of it is JSON that a writer would make. */
export function hostileJson(dice: Dice): string {
  switch (dice.below(9)) {
    case 0:
      return JSON.stringify(dice.oneOf(HOSTILE_TEXTS));
    case 1:
      return String(dice.oneOf(HOSTILE_NUMBERS));
    case 2:
      return "9007199254740993";
    case 3:
      return dice.oneOf(["1e400", "-1e400", "NaN", "Infinity", "undefined", "01", "1n", "'x'", ""]);
    case 4:
      return dice.oneOf(["null", "true", "false", "[]", "{}", "[[]]", "[null]"]);
    case 5:
      return '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    case 6: {
      const depth = dice.oneOf([10, 63, 64, 65, 1_000, 100_000]);
      return `${"[".repeat(depth)}${"]".repeat(depth)}`;
    }
    case 7: {
      const depth = dice.oneOf([10, 64, 5_000]);
      return `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
    }
    default:
      return `[${"0,".repeat(dice.oneOf([1, 100, 20_000]))}0]`;
  }
}
