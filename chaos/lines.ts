import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Line } from "./recorder.ts";

/** The lines of a file, in order; the last one may be torn where its process was killed. */
export async function* linesOf(file: string): AsyncGenerator<Line> {
  const texts = createInterface({
    input: createReadStream(file, "utf8"),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  for await (const text of texts) {
    // One write a line: what does not end as one was never finished.
    if (text.endsWith("}")) yield JSON.parse(text) as Line;
  }
}

/** The files of all processes of a round, what they saw before what their handlers did. */
export async function filesIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".jsonl"));
  const isEffects = (name: string): number => Number(name.endsWith(".effects.jsonl"));
  names.sort((a, b) => isEffects(a) - isEffects(b) || (a < b ? -1 : 1));
  return names.map((name) => join(folder, name));
}
