import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runSeed } from "../src/sim/scenario.ts";
import type { Fact } from "../src/testing/fact.ts";
import { CliYard } from "./cli-process.ts";

const yard = new CliYard();

afterAll(() => yard.close());

describe("verify", () => {
  it("passes a good history, and names what is broken in another", async () => {
    const facts: Fact[] = [];
    await runSeed(1, { record: (fact) => facts.push(fact) });
    const lines = facts.map((fact) => JSON.stringify(fact));
    writeFileSync(join(yard.folder, "good.jsonl"), lines.join("\n"));
    const good = await yard.run("verify", "good.jsonl");
    expect([good.code, good.stdout.trim()]).toEqual([0, `${facts.length} facts, 0 broken promises`]);
    const lost = { type: "submitted", at: facts.at(-1)?.at, label: "lost", id: "x" };
    writeFileSync(join(yard.folder, "bad.jsonl"), [...lines, JSON.stringify(lost)].join("\n"));
    const bad = await yard.run("verify", "bad.jsonl");
    expect(bad.code).toBe(1);
    expect(bad.stdout).toMatch(/ s {2}ACKNOWLEDGED_LOST: lost \(x\) was acknowledged and is unknown\n/);
    const told = await yard.run("verify", "bad.jsonl", "--json");
    expect(JSON.parse(told.stdout)).toMatchObject({
      facts: facts.length + 1,
      violations: [{ rule: "ACKNOWLEDGED_LOST" }],
    });
  });

  it("says which line is no fact, and that a file is not there", async () => {
    writeFileSync(join(yard.folder, "torn.jsonl"), '{"type":"cancelled","at":1,"id":"a"}\n{"type":"canc');
    const torn = await yard.run("verify", "torn.jsonl");
    expect([torn.code, torn.stderr]).toEqual([
      2,
      expect.stringContaining("Line 2 of the history is no fact"),
    ]);
    expect((await yard.run("verify", "none.jsonl")).code).toBe(2);
  });
});
