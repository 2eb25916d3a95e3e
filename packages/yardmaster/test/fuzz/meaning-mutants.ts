import type { Frame } from "../../src/protocol/envelope.ts";
import { decodeFrame, encodeFrame } from "../../src/protocol/frame.ts";
import { Dice } from "./dice.ts";
import { markedFrames } from "./frame-parts.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";

const FRAMES: readonly Frame[] = markedFrames().map(([, bytes]) => decodeFrame(bytes));

const WHOLE_NUMBERS: readonly [number, ...number[]] = [
  0,
  1,
  2,
  255,
  4_096,
  2 ** 31,
  2 ** 32,
  1e14,
  8.64e15,
  2 ** 53 - 1,
];

/**
 * A frame that every reader takes, with values in it that no honest sender writes: what the codec lets through is for
 * those behind it to bear. Each seed replaces one value; what cannot be written stays as it was.
 */
export function meaningMutant(vector: number, seeds: readonly number[]): Buffer {
  let frame = FRAMES[vector % FRAMES.length];
  if (frame === undefined) throw new Error("There are no golden frames.");
  let bytes = encodeFrame(frame);
  for (const seed of seeds) {
    // The shape stays; the reader of the bytes is who checks the values.
    const changed = replaced(frame, new Dice(seed)) as Frame;
    try {
      bytes = encodeFrame(changed);
      frame = decodeFrame(bytes);
    } catch {
      // Not to be written: the next seed may be.
    }
  }
  return bytes;
}

function replaced(value: unknown, dice: Dice): unknown {
  if (typeof value === "number") return dice.oneOf(WHOLE_NUMBERS);
  if (typeof value === "string") return dice.oneOf(HOSTILE_TEXTS);
  if (typeof value === "boolean") return !value;
  if (Array.isArray(value)) {
    const at = dice.below(value.length);
    return value.length === 0 ? value : value.with(at, replaced(value[at], dice));
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => name !== "type" && name !== "id");
  const entry = entries[dice.below(Math.max(1, entries.length))];
  return entry === undefined ? value : { ...value, [entry[0]]: replaced(entry[1], dice) };
}
