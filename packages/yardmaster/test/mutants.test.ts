import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MUTANTS } from "../../../mutants/mutants.ts";
import { planted, Scratch } from "../../../mutants/scratch.ts";
import { fileOf, PLANS } from "./regressions/plans.ts";

const SOURCE = resolve(import.meta.dirname, "../src");

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.make();
});
afterAll(() => scratch.remove());

describe("the plans of what failed once", () => {
  it.each(PLANS)("fail again with the reverse of the fix: $plan", async ({ plan, reverse }) => {
    const takeOut = await scratch.plant(reverse);
    const args = ["src/sim/main.ts", "--plan", fileOf(plan)];
    const broken = spawnSync(process.execPath, args, { cwd: scratch.folder, encoding: "utf8" });
    await takeOut();
    expect(broken.stderr).toBe("");
    expect(broken.stdout).toMatch(/ s: [A-Z_]+: /);
    expect(broken.status).toBe(1);
  });
});

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
