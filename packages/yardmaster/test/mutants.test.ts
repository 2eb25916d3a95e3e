import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { MUTANTS } from "../../../mutants/mutants.ts";
import { planted } from "../../../mutants/scratch.ts";

const SOURCE = resolve(import.meta.dirname, "../src");

describe("the planted bugs", () => {
  it("are at least 25, each with a name of its own", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
  });

  it.each(MUTANTS)("have their place in today's source: $name", async (mutant) => {
    const text = await readFile(join(SOURCE, mutant.file), "utf8");
    expect(planted(text, mutant)).not.toBe(text);
  });

  it("say so when their place has gone", () => {
    const mutant = { name: "one", breaks: "", file: "a.ts", find: "x", replace: "y" };
    expect(() => planted("no such place", mutant)).toThrow("The mutant one does not apply");
  });
});
