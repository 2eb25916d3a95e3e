import { afterEach, describe, expect, it } from "vitest";
import { call, chain, chord, step } from "../src/client/plan.ts";
import { defineTask } from "../src/definition.ts";
import { submitLane } from "../src/engine.ts";
import { encodeFrame } from "../src/protocol/frame.ts";
import { createTaskIds } from "../src/protocol/ids.ts";
import { createHandlers } from "../src/worker/handlers.ts";
import { key, SecuredYard } from "./secured-yard.ts";

const MARK = "open-sesame";
const echo = defineTask<unknown, unknown>({ name: "echo" });
const join = defineTask<unknown, unknown>({ name: "join" });
const { on } = createHandlers();
const HANDLERS = [on(echo, ({ input }) => input), on(join, ({ input }) => ({ joined: input }))];
const OLD = { encryption: { keys: { old: key(1) }, current: "old" } };
const BOTH = { encryption: { keys: { old: key(1), new: key(2) }, current: "new" } };
const WRONG = { encryption: { keys: { old: key(9) }, current: "old" } };
const ALL = { ...OLD, signing: { keys: { s: key(3) }, current: "s" } };

let yard = new SecuredYard();

afterEach(async () => {
  await yard.close();
  yard = new SecuredYard();
});

async function yardWith(
  security: Parameters<SecuredYard["client"]>[0],
): Promise<Awaited<ReturnType<SecuredYard["client"]>>> {
  await yard.dispatcher(security);
  await yard.worker(HANDLERS, security);
  return yard.client(security);
}

describe("an encrypted payload", () => {
  it("is read by its worker and its client, and by nobody between them", async () => {
    const client = await yardWith(ALL);
    for (const input of [MARK, MARK.repeat(2_000), undefined, null]) {
      const task = await yard.driven(client.submit(echo, input));
      expect(await yard.driven(task.result())).toEqual(input);
      expect(await yard.driven(client.input(task.id))).toEqual(input);
      const again = await yard.driven(client.retry(task.id));
      expect(await yard.driven(again.result())).toEqual(input);
      const { tasks } = await yard.engine().store.read({ ids: [task.id], bytes: true });
      expect(JSON.stringify([...tasks.values()])).not.toContain(MARK);
    }
    expect(yard.sent.some(({ frame }) => frame.includes(MARK))).toBe(false);
    expect(yard.refusals).toEqual([]);
  });

  it("makes the inputs of other tasks, which the worker joins", async () => {
    const client = await yardWith(ALL);
    const pair = await yard.driven(client.submitGraph(chord([call(echo, MARK), call(echo, 2)], join)));
    expect(await yard.driven(pair.result())).toEqual({ joined: [MARK, 2] });
    const row = await yard.driven(client.submitGraph(chain(call(echo, MARK), step(join, {}), join)));
    expect(await yard.driven(row.result())).toEqual({ joined: { joined: MARK } });
    expect(yard.sent.some(({ frame }) => frame.includes(MARK))).toBe(false);
  });

  it("comes with every tick of a schedule", async () => {
    const client = await yardWith(ALL);
    await yard.driven(client.schedule("often", echo, MARK, { everyMs: 1_000 }));
    await yard.host.advance(1_500);
    const { lastTask } = (await yard.driven(client.schedules.list()))[0] ?? {};
    expect(await yard.driven(client.handle(echo, lastTask ?? "").result())).toBe(MARK);
    const now = await yard.driven(client.schedules.runNow("often"));
    expect(await yard.driven(now.result())).toBe(MARK);
  });

  it("is told from another input by who has the key, also after the key has changed", async () => {
    const client = await yardWith(BOTH);
    const before = await yard.client({ encryption: { ...BOTH.encryption, current: "old" } });
    const options = { idempotencyKey: "k" };
    const first = await yard.driven(before.submit(echo, MARK, options));
    await yard.driven(first.result());
    const second = await yard.driven(client.submit(echo, MARK, options));
    expect(await yard.driven(second.accepted())).toEqual({ outcome: "duplicate", id: first.id });
    expect(await yard.driven(second.result())).toBe(MARK);
    const other = await yard.driven(client.submit(echo, "another", options));
    await expect(yard.driven(other.result())).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  });
});

describe("a payload that cannot be read", () => {
  it("of another task fails the task for good", async () => {
    const client = await yardWith(OLD);
    const task = await yard.driven(client.submit(echo, MARK));
    await yard.driven(task.result());
    const { tasks } = await yard.engine().store.read({ ids: [task.id], bytes: true });
    const stored = tasks.get(task.id);
    const id = createTaskIds(yard.host).next(0);
    const submission = {
      id,
      spec: echo.spec,
      priority: 0,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 0,
      key: null,
      retryOf: "",
      replyTo: "",
      copy: false,
      terms: null,
      payload: stored?.payload ?? "",
    };
    const envelopes = [{ type: "submit", submission } as const];
    const frame = encodeFrame({ from: "client:x", shard: 0, epoch: 0, sequence: 1, envelopes });
    await yard.engine().broker.send([{ mailbox: submitLane(0), frame }]);
    const swapped = client.handle(echo, id).settled();
    expect(await yard.driven(swapped)).toMatchObject({
      ok: false,
      error: { cause: { code: "PAYLOAD_UNREADABLE" } },
    });
  });

  it.each([
    ["by a worker with another key", OLD, WRONG],
    ["by a worker with no key", OLD, undefined],
    ["by a worker that takes encrypted ones only", undefined, OLD],
  ])("%s fails the task for good", async (_, ofClient, ofWorker) => {
    await yard.dispatcher();
    await yard.worker([on(defineTask({ name: "echo", attempts: 1 }), ({ input }) => input)], ofWorker);
    const client = await yard.client(ofClient);
    const end = await yard.driven((await yard.driven(client.submit(echo, MARK))).settled());
    expect(end).toMatchObject({ ok: false, error: { code: "TASK_FAILED" } });
    expect(JSON.stringify(end)).not.toContain(MARK);
  });

  it("by the client is an error, and the task has succeeded", async () => {
    await yard.dispatcher();
    await yard.worker(HANDLERS, OLD);
    const client = await yard.client(OLD);
    const task = await yard.driven(client.submit(echo, MARK));
    await yard.driven(task.result());
    const stranger = await yard.client(WRONG);
    await expect(yard.driven(stranger.handle(echo, task.id).result())).rejects.toMatchObject({
      code: "PAYLOAD_UNREADABLE",
    });
    expect((await yard.driven(stranger.status(task.id)))?.state).toBe("succeeded");
  });
});
