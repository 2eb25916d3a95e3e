import { Dice } from "./dice.ts";
import {
  type EnvelopePart,
  FIRST_JSON_TYPE,
  type FrameParts,
  jsonBody,
  jsonOf,
  markedFrames,
  partsOf,
  together,
  varint,
} from "./frame-parts.ts";
import { HOSTILE_TEXTS, hostileJson } from "./hostile-values.ts";

const FRAMES: readonly (readonly [string, Buffer])[] = markedFrames();
const PARTS: readonly FrameParts[] = FRAMES.map(([, bytes]) => partsOf(bytes));

/** How many whole frames there are to start from. */
export const FRAME_COUNT: number = FRAMES.length;

const BOUNDS: readonly [bigint, ...bigint[]] = [
  0n,
  1n,
  127n,
  128n,
  255n,
  256n,
  4_096n,
  2n ** 28n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n + 1n,
  2n ** 64n,
  2n ** 200n,
];

/**
 * A frame that was valid and has been changed, once for each seed, in the parts that it consists of: most steps repair
 * lengths and counts, so that what they change is reached; the last ones of a mutant may break those too.
 */
export function frameMutant(vector: number, steps: readonly number[]): Buffer {
  const whole = PARTS[vector % PARTS.length];
  if (whole === undefined) throw new Error("There are no golden frames.");
  let parts = whole;
  let bytes: Buffer | null = null;
  for (const seed of steps) {
    const dice = new Dice(seed);
    if (bytes === null && dice.below(8) > 0) parts = changed(parts, dice);
    else bytes = changedBytes(bytes ?? together(parts), dice);
  }
  return bytes ?? together(parts);
}

/** Bytes of any kind, changed without knowing what they mean. */
export function byteMutant(bytes: Buffer, steps: readonly number[]): Buffer {
  return steps.reduce((mutant, seed) => changedBytes(mutant, new Dice(seed)), bytes);
}

function changed(parts: FrameParts, dice: Dice): FrameParts {
  switch (dice.below(10)) {
    case 0:
      return { ...parts, from: Buffer.from(dice.oneOf(HOSTILE_TEXTS), "utf8") };
    case 1:
      return { ...parts, numbers: withOne(parts.numbers, dice, () => dice.oneOf(BOUNDS)) };
    case 2:
      return { ...parts, tables: changedBytes(parts.tables, dice) };
    case 3:
      return withEnvelopes(parts, rearranged(parts.envelopes, dice));
    default:
      return withEnvelopes(
        parts,
        withOne(parts.envelopes, dice, (part) => changedEnvelope(part, dice)),
      );
  }
}

/** The count follows, so that what is inside is looked at. */
function withEnvelopes(parts: FrameParts, envelopes: readonly EnvelopePart[]): FrameParts {
  const numbers = parts.numbers.with(3, BigInt(envelopes.length));
  return { ...parts, envelopes, numbers };
}

function withOne<T>(items: readonly T[], dice: Dice, change: (item: T) => T): readonly T[] {
  const at = dice.below(Math.max(1, items.length));
  const item = items[at];
  return item === undefined ? items : items.with(at, change(item));
}

/** Repeated, left out, or joined by a stranger from another frame. */
function rearranged(envelopes: readonly EnvelopePart[], dice: Dice): readonly EnvelopePart[] {
  const at = dice.below(Math.max(1, envelopes.length));
  const own = envelopes[at];
  const foreign = PARTS[dice.below(PARTS.length)]?.envelopes.at(-1);
  switch (dice.below(3)) {
    case 0:
      return own === undefined
        ? envelopes
        : [...envelopes, ...Array.from({ length: dice.oneOf([1, 2, 50]) }, () => own)];
    case 1:
      return envelopes.toSpliced(at, 1);
    default:
      return foreign === undefined ? envelopes : [...envelopes, foreign];
  }
}

function changedEnvelope(part: EnvelopePart, dice: Dice): EnvelopePart {
  switch (dice.below(8)) {
    case 0:
      return { ...part, type: dice.below(dice.oneOf([30, 256])) };
    case 1:
      return { ...part, lie: dice.oneOf([-1, 1, 5, 2 ** 31, 2 ** 32 - 8]) };
    case 2:
      return { ...part, body: changedBytes(part.body, dice) };
    default:
      return part.type < FIRST_JSON_TYPE
        ? { ...part, body: withBound(part.body, dice) }
        : { ...part, body: jsonBody(changedJson(jsonOf(part), dice)) };
  }
}

/** A number or a length at the edge of what there is, in place of whatever byte stands there. */
function withBound(body: Buffer, dice: Dice): Buffer {
  const at = dice.below(body.length + 1);
  return Buffer.concat([body.subarray(0, at), varint(dice.oneOf(BOUNDS)), body.subarray(at + 1)]);
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\{\}|\[\]/g;

/** JSON with one of its tokens, a key or a value, replaced, or one more field in front. */
function changedJson(json: string, dice: Dice): string {
  if (dice.below(6) === 0)
    return json.replace("{", `{${JSON.stringify(dice.oneOf(HOSTILE_TEXTS))}:${hostileJson(dice)},`);
  const tokens = [...json.matchAll(TOKEN)];
  const token = tokens[dice.below(Math.max(1, tokens.length))];
  if (token === undefined) return hostileJson(dice);
  const end = token.index + token[0].length;
  const isKey = json[end] === ":";
  const replacement = isKey ? JSON.stringify(dice.oneOf(HOSTILE_TEXTS)) : hostileJson(dice);
  return `${json.slice(0, token.index)}${replacement}${json.slice(end)}`;
}

function changedBytes(bytes: Buffer, dice: Dice): Buffer {
  const at = dice.below(bytes.length + 1);
  switch (dice.below(6)) {
    case 0: {
      const copy = Buffer.from(bytes);
      copy[at] = dice.below(256);
      return copy;
    }
    case 1: {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8));
      return copy;
    }
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([dice.below(256), dice.below(256)]),
        bytes.subarray(at),
      ]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(dice.below(bytes.length + 1))]);
    default:
      return withBound(bytes, dice);
  }
}
