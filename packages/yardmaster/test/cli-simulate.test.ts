import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CliYard } from "./cli-process.ts";

const yard = new CliYard();

afterAll(() => yard.close());

describe("simulate", () => {
  const scenario =
    "seconds: 5\nworkers: [{ slots: 2 }]\ntasks: [{ arrivals: { perSecond: 3 }, serviceMs: 500 }]\npolicies: [{ order: lifo }]\n";

  it("compares policies, needs no yard, and draws", async () => {
    writeFileSync(join(yard.folder, "small.yaml"), scenario);
    const { code, stdout } = await yard.run("simulate", "small.yaml", "--svg", "a.svg", "--html", "a.html");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^POLICY.*\nfifo, random .*\nlifo, two-choices /);
    expect(readFileSync(join(yard.folder, "a.svg"), "utf8")).toContain("</svg>");
    expect(readFileSync(join(yard.folder, "a.html"), "utf8")).toContain("<h1>Scenario</h1>");
    const answers = await yard.json("simulate", "small.yaml", "--seed", "7");
    expect(answers).toMatchObject([
      { policy: "fifo, random", deadlineMisses: null },
      { policy: "lifo, two-choices" },
    ]);
  });

  it("says what is wrong with a scenario, or that there is none", async () => {
    writeFileSync(join(yard.folder, "wrong.yaml"), `${scenario}seed: x\n`);
    const wrong = await yard.run("simulate", "wrong.yaml");
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining("scenario: seed must be a whole number"),
    ]);
    expect((await yard.run("simulate", "none.yaml")).code).toBe(2);
  });
});
