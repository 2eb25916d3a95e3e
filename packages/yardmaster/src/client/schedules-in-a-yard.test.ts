import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { type Dispatcher, startDispatcherOn } from "../dispatcher/dispatcher.ts";
import type { Engine } from "../engine.ts";
import { createMemoryWorld, type MemoryWorld } from "../memory/world.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startWorkerOn, type Worker } from "../worker/worker.ts";
import { type Client, startClient } from "./client.ts";
import type { ScheduleOptions } from "./schedules.ts";

const note = defineTask<string, string>({ name: "note", queue: "notes" });
const elsewhere = defineTask<string, string>({ name: "note", queue: "other" });
const { on } = createHandlers();
const noted: string[] = [];
const handlers = [
  on(note, ({ input }) => {
    noted.push(input.slice(0, 10));
    return input;
  }),
];

let host: ManualHost;
let world: MemoryWorld;
let dispatcher: Dispatcher;
let worker: Worker;
let client: Client;

beforeEach(async () => {
  noted.length = 0;
  host = createManualHost();
  world = createMemoryWorld(host, { shards: 3 });
  dispatcher = await startDispatcherOn({ engine: world.open(), host });
  worker = await startWorkerOn({ engine: world.open(), host, handlers, slots: 4 });
  client = await startClient({ engine: world.open(), host });
  await host.settle();
});

afterEach(async () => {
  await driven(client.close());
  await driven(worker.close({ timeoutMs: 1_000 }));
  await driven(dispatcher.close());
});

/** Moves time until the promise has settled. */
async function driven<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const watched = promise.finally(() => {
    isSettled = true;
  });
  watched.catch(() => undefined);
  for (await host.settle(); !isSettled; ) await host.advance(100);
  return watched;
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) await host.advance(1_000);
}

/** The engine of a client that sends so many messages to dispatchers and no more. */
function dyingAfter(sends: number, engine: Engine): Engine {
  let left = sends;
  const { broker } = engine;
  const send: Engine["broker"]["send"] = (frames, acks) => {
    const isAlive = left-- > 0;
    return isAlive ? broker.send(frames, acks) : new Promise(() => undefined);
  };
  return { ...engine, broker: { ...broker, send } };
}

describe("a schedule in a yard", () => {
  it("runs, is listed, paused, resumed, run now and removed", async () => {
    const made = await driven(client.schedule("beat", note, "tick", { everyMs: 10_000 }));
    expect(made).toMatchObject({ name: "beat", task: "note", queue: "notes", cron: null, everyMs: 10_000 });
    await pass(25_000);
    expect(noted).toEqual(["tick", "tick"]);
    const [listed] = await driven(client.schedules.list());
    expect(listed).toMatchObject({ fired: 2, paused: false, missed: "once", overlap: "allow" });
    const story = await driven(client.story(listed?.lastTask ?? ""));
    expect(story?.[0]?.message).toContain("Schedule beat made it for ");
    expect(await driven(client.schedules.pause("beat"))).toMatchObject({ paused: true });
    await pass(30_000);
    expect(noted).toHaveLength(2);
    const task = await driven(client.schedules.runNow("beat"));
    expect(await driven(task.result())).toBe("tick");
    await driven(client.schedules.resume("beat"));
    await pass(10_000);
    expect(noted).toHaveLength(4);
    await driven(client.schedules.remove("beat"));
    expect(await driven(client.schedules.list())).toEqual([]);
    const { schedules } = client;
    const refused: Promise<unknown>[] = [
      schedules.pause("beat"),
      schedules.resume("beat"),
      schedules.remove("beat"),
      schedules.runNow("beat"),
    ];
    for (const order of refused) order.catch(() => undefined);
    for (const order of refused) await expect(driven(order)).rejects.toMatchObject({ code: "INVALID_NAME" });
  });

  it("moves with its queue, survives its dispatcher, and carries large inputs", async () => {
    await driven(client.schedule("beat", elsewhere, "old", { everyMs: 10_000 }));
    const large = "é".repeat(30_000);
    await driven(client.schedule("beat", note, large, { everyMs: 20_000, missed: "all", missedLimit: 2 }));
    expect(await driven(client.schedules.list())).toHaveLength(1);
    await driven(dispatcher.close());
    await pass(61_000);
    dispatcher = await startDispatcherOn({ engine: world.open(), host });
    await pass(10_000);
    expect(noted).toEqual(Array.from({ length: 3 }, () => large.slice(0, 10)));
  });

  it("stays paused where its queue moves it to another shard", async () => {
    await driven(client.schedule("beat", elsewhere, "old", { everyMs: 10_000 }));
    await driven(client.schedules.pause("beat"));
    const moved = await driven(client.schedule("beat", note, "new", { everyMs: 10_000 }));
    expect(moved).toMatchObject({ queue: "notes", paused: true });
    expect(await driven(client.schedules.list())).toHaveLength(1);
  });

  it.each([0, 1, 2, 3, 4, 5])(
    "is never lost, nor two, where its mover dies after %d messages",
    async (sends) => {
      await driven(client.schedule("beat", elsewhere, "old", { everyMs: 10_000 }));
      const mover = await startClient({ engine: dyingAfter(sends, world.open()), host });
      const move = mover.schedule("beat", note, "new", { everyMs: 10_000 }).catch(() => null);
      await pass(2_000);
      const left = await driven(client.schedules.list());
      expect(left.length).toBeGreaterThanOrEqual(1);
      expect(left.filter(({ paused }) => !paused).length).toBeLessThanOrEqual(1);
      await driven(client.schedule("beat", note, "new", { everyMs: 10_000 }));
      expect(await driven(client.schedules.list())).toMatchObject([{ name: "beat", queue: "notes" }]);
      await driven(mover.close());
      await driven(move);
    },
  );

  it("goes by a cron line in its time zone", async () => {
    const made = await driven(
      client.schedule("nightly", note, "night", { cron: "0 3 * * *", timeZone: "Asia/Kathmandu" }),
    );
    expect(made).toMatchObject({ cron: "0 3 * * *", timeZone: "Asia/Kathmandu", everyMs: null });
    expect(made.nextAt).toMatch(/T21:15:00.000Z$/);
  });

  it.each<[string, ScheduleOptions]>([
    ["cron", {}],
    ["cron", { cron: "0 0 30 2 *" }],
    ["cron", { cron: "every day" }],
    ["cron", { cron: `0 3 * * ${"1,".repeat(200)}1` }],
    ["timeZone", { cron: "0 3 * * *", timeZone: "Mars/Olympus" }],
    ["timeZone", { everyMs: 1_000, timeZone: "UTC" }],
    ["everyMs", { cron: "0 3 * * *", everyMs: 1_000 }],
    ["everyMs", { everyMs: 999 }],
    ["everyMs", { everyMs: 1_000.5 }],
    ["missedLimit", { everyMs: 1_000, missedLimit: 3 }],
    ["missedLimit", { everyMs: 1_000, missed: "all", missedLimit: 0 }],
    // What a caller without types may say.
    ["missed", { everyMs: 1_000, missed: "never" as "skip" }],
    ["overlap", { everyMs: 1_000, overlap: "kill" as "skip" }],
    ["delayMs", { everyMs: 1_000, delayMs: 5 } as ScheduleOptions],
  ])("refuses bad options naming %s", async (field, options) => {
    const refused = { code: "INVALID_OPTIONS", details: { field } };
    await expect(client.schedule("bad", note, "x", options)).rejects.toMatchObject(refused);
  });

  it("refuses an input that is too large, and a bad name", async () => {
    const every = { everyMs: 1_000 };
    await expect(client.schedule("bad", note, "x".repeat(70_000), every)).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      details: { field: "input" },
    });
    await expect(client.schedule("", note, "x", every)).rejects.toMatchObject({ code: "INVALID_NAME" });
  });
});
