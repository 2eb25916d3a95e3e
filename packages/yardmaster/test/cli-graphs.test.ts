import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, chain, connect, defineTask, type Yard } from "../src/index.ts";
import { CliYard, HANDLERS } from "./cli-process.ts";

const echo = defineTask<unknown, unknown>({ name: "echo" });

let cli: CliYard;
let yard: Yard;

beforeAll(async () => {
  cli = new CliYard();
  await cli.start("start", HANDLERS);
  yard = await connect(cli.url);
});

afterAll(async () => {
  await yard.close();
  await cli.close();
});

describe("graph", () => {
  it("shows, lists and cancels", async () => {
    const graph = await yard.submitGraph(chain(call(echo, 1, { delayMs: 3_600_000 }), echo));
    const [first, last] = graph.tasks.map(({ id }) => id);
    await graph.tasks[1]?.accepted();
    const shown = await cli.run("graph", "show", last ?? "");
    expect(shown.stderr).toContain(`graph ${graph.id}: open, 0 of 2 tasks ended`);
    expect(shown.stdout).toMatch(
      new RegExp(`^0 +${first} +echo +scheduled\n1 +0 +${last} +echo +blocked$`, "m"),
    );
    expect(await cli.json("graph", "show", graph.id, "--limit", "1")).toMatchObject([
      { id: graph.id, members: 2, next: 1 },
    ]);
    expect((await cli.run("graph", "list")).stdout).toMatch(new RegExp(`^${graph.id} +open +2 +0 +0 `, "m"));
    expect((await cli.run("graph", "cancel", graph.id)).stdout).toBe(`cancelled ${graph.id}`);
    expect((await cli.run("graph", "cancel", graph.id)).stdout).toBe(`${graph.id} had ended before`);
    expect(await cli.json("graph", "list")).toMatchObject([
      { id: graph.id, state: "ended", cancelled: true },
    ]);
  });

  it("does not find what is none", async () => {
    for (const verb of ["show", "cancel"])
      expect(await cli.run("graph", verb, "01990000-0000-7000-8000-000000000000")).toMatchObject({ code: 3 });
    expect((await cli.run("graph", "show", "x", "--limit", "0")).code).toBe(2);
  });
});
