import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";

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

  it("tries other policies than the scenario's", async () => {
    writeFileSync(join(yard.folder, "small.yaml"), scenario);
    const answers = await yard.json(
      "simulate",
      "small.yaml",
      "--policy",
      "fair,pack",
      "--policy",
      "idle-first",
    );
    expect(answers).toMatchObject([
      { policy: "fifo, random" },
      { policy: "fair, pack" },
      { policy: "idle-first" },
    ]);
    const wrong = await yard.run("simulate", "small.yaml", "--policy", "best");
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('--policy "best": give an order'),
    ]);
  });

  it("replays what a yard did, from a file that trace wrote", async () => {
    const dispatcher = await yard.start("start", HANDLERS, "--slots", "2", "--url", yard.url);
    await yard.runWithInput("1\n2\n3\n", "submit", "echo", "-", "--many", "--wait", "--url", yard.url);
    const file = join(yard.folder, "yard.jsonl");
    const range = ["--from", "2020-01-01", "--to", "2999-01-01T00:00:00Z"];
    expect(await yard.json("trace", file, ...range, "--url", yard.url)).toEqual([{ file, tasks: 3 }]);
    const told = await yard.run("trace", file, "--from", "2999-01-01", "--url", yard.url);
    expect(told.stdout).toBe(`0 tasks written to ${file}. Try: yardmaster simulate ${file}`);
    await yard.run("trace", file, "--url", yard.url);
    dispatcher.kill("SIGTERM");
    await dispatcher.ended;

    const replay = await yard.run("simulate", file, "--policy", "lifo", "--html", "b.html", "--svg", "b.svg");
    expect([replay.code, replay.stderr]).toEqual([0, ""]);
    expect(replay.stdout).toMatch(/^POLICY.*\nas recorded +3 .*\nlifo +3 /);
    expect(readFileSync(join(yard.folder, "b.html"), "utf8")).toContain("<h1>yard.jsonl</h1>");
    expect(readFileSync(join(yard.folder, "b.svg"), "utf8")).toContain("</svg>");
    expect(await yard.json("simulate", file)).toHaveLength(8);

    const [header = "", first = ""] = readFileSync(file, "utf8").split("\n");
    writeFileSync(join(yard.folder, "torn.jsonl"), `${header}\n${first.slice(0, 50)}`);
    const torn = await yard.run("simulate", "torn.jsonl");
    expect([torn.code, torn.stderr]).toEqual([2, expect.stringContaining("Line 2 of the trace is cut off")]);
    expect((await yard.run("simulate", "none.jsonl")).stderr).toContain("none.jsonl cannot be read");
    expect((await yard.run("trace", file, "--from", "yesterday")).stderr).toContain("It must be an ISO time");
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
