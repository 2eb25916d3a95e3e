import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PlayedDispatcher } from "../../test/played-dispatcher.ts";
import { defineTask } from "../definition.ts";
import { createMemoryWorld } from "../memory/world.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { type Client, startClient } from "./client.ts";

const count = defineTask<number, number>({ name: "count" });

let host: ManualHost;
let dispatcher: PlayedDispatcher;
let client: Client;

beforeEach(async () => {
  host = createManualHost();
  const world = createMemoryWorld(host);
  client = await startClient({ engine: world.open(), host });
  dispatcher = await PlayedDispatcher.start(world.open());
});

afterEach(async () => {
  await client.close();
  await dispatcher.close();
});

async function payloads(): Promise<string[]> {
  await host.settle();
  return dispatcher.submissions.map(({ payload }) => payload);
}

function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, index) => index);
}

describe("submitMany", () => {
  it("yields a handle for each input, in order, from few frames", async () => {
    const ids: string[] = [];
    for await (const task of client.submitMany(count, upTo(10_000))) ids.push(task.id);
    expect(await payloads()).toEqual(upTo(10_000).map(String));
    expect(dispatcher.submissions.map(({ id }) => id)).toEqual(ids);
    expect(dispatcher.frames.length).toBeLessThan(25);
  });

  it("takes an asynchronous source, and hands out what is there while it waits for more", async () => {
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    async function* inputs(): AsyncGenerator<number> {
      yield 1;
      await gate;
      yield 2;
    }
    const tasks = client.submitMany(count, inputs());
    expect((await tasks.next()).done).toBe(false);
    expect(await payloads()).toEqual(["1"]);
    go();
    expect((await tasks.next()).done).toBe(false);
    expect((await tasks.next()).done).toBe(true);
    expect(await payloads()).toEqual(["1", "2"]);
  });

  it("reads only so far ahead of a slow loop", async () => {
    let read = 0;
    function* inputs(): Generator<number> {
      for (; ; read += 1) yield read;
    }
    const tasks = client.submitMany(count, inputs());
    await tasks.next();
    await host.settle();
    expect(read).toBeLessThanOrEqual(4_000);
    const before = read;
    for (let taken = 0; taken < 4_000; taken += 1) await tasks.next();
    await host.settle();
    expect(read).toBeGreaterThan(before);
    expect(read).toBeLessThanOrEqual(8_001);
    await tasks.return();
  });

  it("ends at the first input that is refused, after those before it", async () => {
    const tasks = client.submitMany(count, [1, 2, Number.NaN, 4]);
    expect((await tasks.next()).done).toBe(false);
    expect((await tasks.next()).done).toBe(false);
    await expect(tasks.next()).rejects.toMatchObject({ code: "INVALID_INPUT" });
    expect(await payloads()).toEqual(["1", "2"]);
    expect((await tasks.next()).done).toBe(true);
  });

  it("passes on what the source throws", async () => {
    async function* inputs(): AsyncGenerator<number> {
      yield 1;
      throw new Error("out of inputs");
    }
    const tasks = client.submitMany(count, inputs());
    expect((await tasks.next()).done).toBe(false);
    await expect(tasks.next()).rejects.toThrow("out of inputs");
  });

  it("lets the source go when the loop is left", async () => {
    let isClosed = false;
    async function* inputs(): AsyncGenerator<number> {
      try {
        for (let input = 0; ; input += 1) yield input;
      } finally {
        isClosed = true;
      }
    }
    for await (const _ of client.submitMany(count, inputs())) break;
    await host.settle();
    expect(isClosed).toBe(true);
  });

  it("keeps no ticket of a million in memory: one that was dropped is found by asking", async () => {
    const tasks = client.submitMany(count, upTo(20_000));
    const first = (await tasks.next()).value;
    for await (const _ of tasks);
    await host.settle();
    const sent = dispatcher.submissions[0];
    if (first === undefined || sent === undefined) throw new Error("nothing was submitted");
    // Told while nobody waited and the ticket was dropped: only the store knows.
    await dispatcher.settle(sent, { result: "1" });
    await dispatcher.keepTask(sent, "succeeded", { result: "1" });
    await host.settle();
    expect(await first.result()).toBe(1);
    expect(await first.accepted()).toEqual({ outcome: "created", id: sent.id });
  });
});
