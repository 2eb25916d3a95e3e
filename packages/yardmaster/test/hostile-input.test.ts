import { afterEach, describe, expect, it } from "vitest";
import { nextFire } from "../src/cron.ts";
import { defineTask } from "../src/definition.ts";
import { controlLane, submitLane } from "../src/engine.ts";
import { Kernel } from "../src/kernel/kernel.ts";
import { fromBuffer } from "../src/protocol/bytes.ts";
import type { Envelope } from "../src/protocol/envelope.ts";
import { YardmasterError } from "../src/protocol/errors.ts";
import { decodeFrame, encodeFrame } from "../src/protocol/frame.ts";
import { encodeSchedule, type ScheduleRecord } from "../src/protocol/schedule.ts";
import { SPEC, Stage } from "../src/testing/dispatcher-stage.ts";
import { createTestYard } from "../src/testing/test-yard.ts";
import { createHandlers } from "../src/worker/handlers.ts";

const NOW = 1_800_000_000_000;
const echo = defineTask<unknown, unknown>({ name: "echo" });
const { on } = createHandlers();
const schedule: ScheduleRecord = {
  name: "nightly",
  cron: "0 3 * * *",
  timeZone: "UTC",
  everyMs: 0,
  missed: "once",
  missedLimit: 1,
  overlap: "allow",
  spec: SPEC,
  priority: 0,
  expiresInMs: 0,
  route: "",
  terms: null,
  payload: "",
};
const bytesOf = (record: ScheduleRecord): Buffer => Buffer.from(encodeSchedule(record), "latin1");

let stage = new Stage();

afterEach(async () => {
  await stage.close();
  stage = new Stage();
});

function refusalOf(run: () => unknown): YardmasterError {
  try {
    run();
  } catch (error) {
    if (error instanceof YardmasterError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

describe("a frame", () => {
  it("of a newer version says who sent it in a short line without control characters", () => {
    const frame = encodeFrame({ from: "x".repeat(1_024), shard: 0, epoch: 0, sequence: 0, envelopes: [] });
    frame[2] = 2;
    const { code, message } = refusalOf(() => decodeFrame(frame));
    expect(code).toBe("UNSUPPORTED_VERSION");
    expect(message.length).toBeLessThan(250);
  });

  it.each(["client:\0", "a\nb", "\u001b[2J"])("cannot come from a mailbox that no broker has: %j", (from) => {
    const frame = encodeFrame({ from: "client:abcde", shard: 0, epoch: 0, sequence: 1, envelopes: [] });
    const hostile = Buffer.concat([
      frame.subarray(0, 3),
      Buffer.from([from.length]),
      Buffer.from(from),
      frame.subarray(16),
    ]);
    expect(refusalOf(() => decodeFrame(hostile)).message).toContain("control characters");
    expect(refusalOf(() => encodeFrame({ from, shard: 0, epoch: 0, sequence: 1, envelopes: [] })).code).toBe(
      "INVALID_FRAME",
    );
  });

  it.each(["runAt", "delayMs", "expiresInMs"])("cannot ask for a time that is no date: %s", (field) => {
    const submission = { ...stage.submission(), [field]: 2 ** 52 };
    const envelopes: Envelope[] = [{ type: "submit", submission }];
    const frame = { from: "client:c", shard: 0, epoch: 0, sequence: 1, envelopes };
    expect(refusalOf(() => encodeFrame(frame)).code).toBe("INVALID_FRAME");
  });
});

describe("a dispatcher", () => {
  it("answers a schedule in a time zone that there is not, and keeps its shard", async () => {
    expect(nextFire("0 3 * * *", "Nowhere/None", NOW)).toBeNull();
    const { dispatcher } = await stage.dispatcher("one");
    const owned = dispatcher.owned();
    const client = await stage.actor("client:c");
    const hostile = bytesOf({ ...schedule, timeZone: "Nowhere/None" }).toString("base64");
    await client.say(controlLane(0), [
      { type: "command", request: 1, command: { type: "schedule", schedule: hostile } },
    ]);
    expect(client.all("reply")).toMatchObject([
      { request: 1, ok: false, value: { code: "INVALID_OPTIONS" } },
    ]);
    expect(dispatcher.owned()).toEqual(owned);
  });

  it("keeps its shard whatever a stranger declares, pauses or submits", async () => {
    const { dispatcher } = await stage.dispatcher("one");
    const owned = dispatcher.owned();
    const client = await stage.actor("client:c");
    const noise = ["", "YX", "YS", "YF", "YF\u0001", "YX\u0000YF", `YS\u0001\u00ff${"\0".repeat(60)}`];
    const frames = noise.map((text) => ({ mailbox: submitLane(0), frame: Buffer.from(text, "latin1") }));
    await client.engine.broker.send(frames);
    await client.say(controlLane(0), [{ type: "query", request: 1, query: { type: "queues" } }]);
    expect(client.all("reply")).toHaveLength(1);
    expect(dispatcher.owned()).toEqual(owned);
    for (const { message } of stage.alarms) expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_000);
  });
});

describe("a row of the store", () => {
  it.each([
    ["schedule-state", "nightly", "NaN 1 0 0 0 deadbeefdeadbeef "],
    ["schedule-state", "nightly", "1e400 1 0 0 0 deadbeefdeadbeef "],
    ["schedule-state", "nightly", "1 1 0 0 0 __proto__ "],
    ["graph", "01a20a41-b509-7bda-b299-aa96b368d005", "1 2 3"],
    ["graph", "01a20a41-b509-7bda-b299-aa96b368d005", "1 NaN 0 0 0 0"],
  ])("that is damaged is a typed error when it is loaded: %s %s %s", (kind, key, value) => {
    const { code } = refusalOf(() => {
      const kernel = new Kernel({ shard: 0, epoch: 1, seed: 1, nextFire });
      kernel.restore(
        { type: "row", kind: "schedule", key: "nightly", value: fromBuffer(bytesOf(schedule)) },
        NOW,
      );
      kernel.restore({ type: "row", kind, key, value }, NOW);
      kernel.restored(NOW);
    });
    expect(code).toBe("INVALID_FRAME");
  });
});

describe("a yard", () => {
  it("takes no time to run at that nobody could be shown, so that all can still be listed", async () => {
    const yard = await createTestYard({ handlers: [on(echo, ({ input }) => input)] });
    await expect(yard.submit(echo, 1, { runAt: 9e15 })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    const far = await yard.submit(echo, 1, { runAt: 2 ** 51 });
    await yard.settle();
    expect(await yard.list()).toMatchObject([{ id: far.id, state: "scheduled" }]);
    await yard.close();
  });

  it("refuses what is no definition, no filter and no plan with an error that says so", async () => {
    const yard = await createTestYard({ handlers: [on(echo, ({ input }) => input)] });
    const calls: readonly (() => Promise<unknown>)[] = [
      () => yard.submit(JSON.parse("null"), 1),
      () => yard.submit(echo, 1, JSON.parse("null")),
      () => yard.submitGraph(JSON.parse('{"shape":{"type":"chain"}}')),
      () => yard.find(JSON.parse('{"states":"failed"}')),
      () => yard.apply(JSON.parse("[null]")),
    ];
    for (const one of calls) {
      const error: unknown = await one().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(YardmasterError);
    }
    await yard.close();
  });
});
