import fc from "fast-check";
import { HOSTILE_NUMBERS, HOSTILE_TEXTS } from "./hostile-values.ts";

/** As deep as stacks bear, and deeper than anything should be. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const circle: { self?: unknown } = {};
circle.self = circle;
const polluting: unknown = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"name":"a"}');

/** Anything that JavaScript lets a caller pass where something else is meant. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(...HOSTILE_TEXTS),
  fc.constantFrom<unknown>(...HOSTILE_NUMBERS, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.constantFrom<unknown>(undefined, null, true, false, 9_007_199_254_740_993n, Symbol("s"), [], {}, circle, polluting),
  fc.constantFrom<unknown>(nested(10), nested(999), nested(100_000), () => 1, class {}, new Map([[1, 2]]), new Set([1])),
  fc.constantFrom<unknown>(new Proxy({}, {}), Object.create(null), new Uint8Array(3), /a/, new Error("e"), Promise.resolve(1)),
  fc.anything({ maxDepth: 3, withBigInt: true, withNullPrototype: true, withObjectString: true, withSparseArray: true }),
);

/** Options that were right, with one of them, or all, replaced by anything; or one more. */
export function spoiled(valid: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const names = Object.keys(valid);
  return fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom(...names), hostileValue).map(([name, value]) => ({ ...valid, [name]: value })) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...HOSTILE_TEXTS), hostileValue).map(([name, value]) => withField(valid, name, value)) },
    { weight: 1, arbitrary: fc.constant(valid) },
    { weight: 1, arbitrary: hostileValue },
  );
}

/** As an own field, whatever its name. */
function withField(valid: object, name: string, value: unknown): unknown {
  return Object.defineProperty({ ...valid }, name, { value, enumerable: true, configurable: true, writable: true });
}
