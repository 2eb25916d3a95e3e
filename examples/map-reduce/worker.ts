import { readFile } from "node:fs/promises";
import { createHandlers, type Handler } from "yardmaster/worker";
import { add, type Counts, count } from "./tasks.ts";

const { on } = createHandlers();

const counts: Handler = on(count, async ({ input, signal }) => {
  const words =
    (await readFile(input.file, { encoding: "utf8", signal })).toLowerCase().match(/\p{L}+/gu) ?? [];
  return summed(words.map((word) => [word, 1]));
});

const sums: Handler = on(add, ({ input }) =>
  // A file whose counting failed for good is missing, where the plan says to go on without it.
  summed(input.flatMap((one) => Object.entries(one ?? {}))),
);

function summed(entries: readonly (readonly [string, number])[]): Counts {
  const total = new Map<string, number>();
  for (const [word, number] of entries) total.set(word, (total.get(word) ?? 0) + number);
  return Object.fromEntries(total);
}

const handlers: readonly Handler[] = [counts, sums];
export default handlers;
