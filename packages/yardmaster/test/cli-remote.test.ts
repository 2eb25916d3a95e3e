import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";

describe("remote control on the command line", () => {
  let yard: CliYard;

  beforeEach(() => {
    yard = new CliYard();
  });

  afterEach(() => yard.close());

  it("inspects, resizes and ends a worker, and changes a queue", async () => {
    await yard.start("dispatcher");
    const worker = await yard.start("worker", HANDLERS, "--slots", "2");
    const [{ id: name } = { id: "" }] = (await yard.json("workers")) as { id: string }[];
    const until = join(yard.folder, "never");
    const [task] = await yard.json("submit", "hold", JSON.stringify({ until }), "--queue", "mail");
    let active = await yard.json("inspect", name);
    while (active.length === 0) active = await yard.json("inspect", name);
    expect(active).toMatchObject([{ id: task?.["id"], name: "hold", worker: name }]);

    expect(await yard.json("slots", name, "7")).toEqual([{ worker: name, slots: 7 }]);
    expect(await yard.run("slots", name, "many")).toMatchObject({ code: 2 });
    const set = await yard.json("queues", "set", "mail", "--concurrency", "4", "--rate", "100/1000");
    expect(set).toMatchObject([{ settings: { concurrency: 4, rate: { limit: 100, perMs: 1_000 } } }]);
    const [lifted] = await yard.json("queues", "set", "mail", "--rate", "none", "--concurrency", "0");
    expect(lifted).not.toHaveProperty("settings");
    expect(await yard.run("queues", "set", "mail")).toMatchObject({ code: 2 });

    expect((await yard.run("shutdown", name, "--grace-ms", "200")).stdout).toContain("within 200 ms");
    expect((await worker.ended).code).toBe(0);
  });
});
