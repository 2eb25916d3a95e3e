import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PlayedDispatcher } from "../../test/played-dispatcher.ts";
import { defineQueue } from "../definition/queue.ts";
import { defineTask } from "../definition.ts";
import { createMemoryWorld } from "../memory/world.ts";
import type { State, Submission } from "../protocol/task.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { inserted, sampleTask, taskId } from "../testing/sample-tasks.ts";
import { type Client, startClient } from "./client.ts";

const echo = defineTask<string, string>({ name: "echo", queue: "voices", attempts: 2 });
const START = 1_700_000_000_000;
const START_ISO = "2023-11-14T22:13:20.000Z";

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

async function submitted(input = "a"): Promise<Submission> {
  await client.submit(echo, input);
  await host.settle();
  const last = dispatcher.submissions.at(-1);
  if (last === undefined) throw new Error("nothing was submitted");
  return last;
}

/** Answers the question or order that the client is asking. */
async function reply(value: unknown, ok = true): Promise<unknown> {
  await host.settle();
  const [mailbox = ""] = await dispatcher.mailboxes();
  const asked = [...dispatcher.of("query"), ...dispatcher.of("command")].at(-1);
  if (asked === undefined) throw new Error("nothing was asked");
  await dispatcher.tell(mailbox, { type: "reply", request: asked.request, ok, value });
  return asked.type === "query" ? asked.query : asked.command;
}

function live(id: string): object {
  return {
    id,
    name: "echo",
    queue: "voices",
    state: "running",
    code: "",
    attempt: 1,
    attempts: 2,
    priority: 0,
    submittedAt: START,
    startedAt: START,
    finishedAt: null,
    worker: "w1",
    error: null,
  };
}

const asStatus = (id: string) => ({
  ...live(id),
  code: null,
  submittedAt: START_ISO,
  startedAt: START_ISO,
});

describe("status", () => {
  it("is the owner's word for a task that goes on", async () => {
    const { id } = await submitted();
    const status = client.status(id);
    expect(await reply(live(id))).toEqual({ type: "status", id });
    expect(await status).toEqual(asStatus(id));
  });

  it("is the record of a task that has ended", async () => {
    const sent = await submitted();
    const error = { code: "HANDLER_FAILED", message: "hoarse", stack: "" };
    const end = { attempt: 2, finishedAt: START, code: "HANDLER_FAILED", worker: "w1", error };
    await dispatcher.keepTask(sent, "failed", { ...end, result: "" });
    expect(await client.status(sent.id)).toEqual({
      ...asStatus(sent.id),
      state: "failed",
      code: "HANDLER_FAILED",
      attempt: 2,
      startedAt: null,
      finishedAt: START_ISO,
      error,
    });
  });

  it("is the last record where no dispatcher answers, and null where nobody knows the task", async () => {
    const sent = await submitted();
    await dispatcher.keepTask(sent, "ready");
    const status = client.status(sent.id);
    await host.advance(2_000);
    expect(await status).toMatchObject({ id: sent.id, state: "ready", submittedAt: START_ISO });
    const unknown = client.status("01890a5d-ac96-774b-bcce-b302099a8000");
    await reply(null);
    expect(await unknown).toBeNull();
  });
});

describe("list and find", () => {
  it("puts what goes on before what has ended", async () => {
    const sent = [await submitted("a"), await submitted("b"), await submitted("c")];
    const [ended, running, other] = sent.map(({ id }) => id);
    if (sent[0] === undefined || running === undefined || other === undefined) throw new Error("three tasks");
    await dispatcher.keepTask(sent[0], "succeeded", { result: '"a"' });
    const list = client.list({ queue: "voices", limit: 10 });
    expect(await reply([live(running), live(other)])).toEqual({ type: "list", queue: "voices", limit: 10 });
    expect((await list).map(({ id, state }) => [id, state])).toEqual([
      [running, "running"],
      [other, "running"],
      [ended, "succeeded"],
    ]);
  });

  it("asks no dispatcher for what has ended", async () => {
    await dispatcher.keepTask(await submitted(), "succeeded", { result: '"a"' });
    expect(await client.list({ state: "succeeded" })).toMatchObject([{ name: "echo", state: "succeeded" }]);
    expect(await client.list({ state: "failed" })).toEqual([]);
    expect(dispatcher.control).toEqual([]);
  });

  it("reads records a page at a time", async () => {
    for (const input of ["a", "b", "c"]) {
      await dispatcher.keepTask(await submitted(input), "succeeded", { result: '""' });
    }
    const first = await client.find({ limit: 2 });
    expect(first.tasks).toHaveLength(2);
    const rest = await client.find({ limit: 2, cursor: first.cursor ?? "" });
    expect(rest.tasks).toHaveLength(1);
    expect(rest.cursor).toBeNull();
    await expect(client.find({ limit: 0 })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  });

  it("asks the owner for parked tasks, and reads the records that it names", async () => {
    const { id } = await submitted();
    const parked = client.find({ states: ["ready"] });
    const stored = { states: ["ready"], limit: 100 };
    expect(await reply({ ids: [id], horizon: "", parked: 1 })).toMatchObject({ type: "list", stored });
    expect(await parked).toEqual({ tasks: [], cursor: null });
  });

  it("looks through the store where the owner is of a release that has no index", async () => {
    await dispatcher.keepTask(await submitted(), "succeeded", { result: '""' });
    const waiting = client.find({ states: ["ready", "succeeded"], limit: 5 });
    expect((await waiting).tasks).toHaveLength(1);
    const parked = client.find({ states: ["ready"] });
    await reply([]);
    expect(await parked).toEqual({ tasks: [], cursor: null });
    // It is not asked again at once.
    expect(await client.find({ states: ["ready"] })).toEqual({ tasks: [], cursor: null });
  });

  it("lists what is among the newest 20,000 where no owner has an index, and no more", async () => {
    await keepMany("failed", false);
    const failed = client.list({ state: "failed" });
    await reply([]);
    expect(await failed).toEqual([]);
    expect(await client.list({ state: "failed" })).toEqual([]);
    const { cursor } = await client.find({ states: ["failed"] });
    expect(await client.find({ states: ["failed"], cursor: cursor ?? "" })).toMatchObject({
      tasks: [{ id: taskId(0) }],
      cursor: null,
    });
  });

  it("looks once for parked tasks where no owner has an index", async () => {
    await keepMany("ready", true);
    const waiting = client.list({ unfinished: true });
    expect(await reply([])).not.toHaveProperty("stored");
    expect(await reply([])).toHaveProperty("stored");
    expect(await waiting).toEqual([]);
  });

  it("lists as many as are wanted though duplicates are among them", async () => {
    const tasks = Array.from({ length: 50 }, (_, number) =>
      sampleTask(number, { state: "succeeded", aliasOf: number > 20 ? taskId(0) : "" }),
    );
    await dispatcher.keep(...tasks.map((task) => inserted(task, { keepUntil: Number.MAX_SAFE_INTEGER })));
    expect(await client.list({ state: "succeeded", limit: 5 })).toHaveLength(5);
  });

  it("asks with times that a frame has room for, and asks again after a name that it has none for", async () => {
    expect(await client.find({ states: ["ready"], name: "n".repeat(2_000) })).toEqual({
      tasks: [],
      cursor: null,
    });
    const parked = client.find({ states: ["ready"], from: -1, to: Number.MAX_VALUE });
    const stored = { states: ["ready"], limit: 100, from: 0, to: Number.MAX_SAFE_INTEGER };
    expect(await reply({ ids: [], horizon: "", parked: 1 })).toMatchObject({ type: "list", stored });
    expect(await parked).toEqual({ tasks: [], cursor: null });
  });

  /** More than the store looks at for one page, all of which succeeded but the oldest. */
  async function keepMany(state: State, parked: boolean): Promise<void> {
    const tasks = Array.from({ length: 20_500 }, (_, number) => sampleTask(number, { state: "succeeded" }));
    await dispatcher.keep(
      inserted(sampleTask(0, { state }), { parked, keepUntil: parked ? 0 : Number.MAX_SAFE_INTEGER }),
      ...tasks.slice(1).map((task) => inserted(task, { keepUntil: Number.MAX_SAFE_INTEGER })),
    );
  }
});

describe("queues and workers", () => {
  it("lists queues by name", async () => {
    const counts = { scheduled: 0, ready: 1, active: 0, parked: 0 };
    const settings = { order: "fifo", placement: "random", paused: false, revision: 1 };
    const queues = client.queues();
    await reply([
      { name: "b", ...settings, ...counts },
      { name: "a", ...settings, ...counts },
    ]);
    expect((await queues).map(({ name, ready }) => [name, ready])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
  });

  it("lists workers with an ISO time", async () => {
    const worker = {
      id: "w1",
      credit: 10,
      used: 1,
      draining: false,
      registered: true,
      labels: {},
      resources: {},
      resourcesUsed: {},
      tasks: [],
    };
    const workers = client.workers();
    await reply([{ ...worker, lastHeardAt: START }]);
    expect(await workers).toEqual([{ ...worker, lastHeardAt: START_ISO }]);
  });

  it("gives orders and waits for them", async () => {
    const paused = client.pause("voices");
    expect(await reply({})).toEqual({ type: "pause", queue: "voices" });
    await paused;
    const resumed = client.resume("voices");
    expect(await reply({})).toEqual({ type: "resume", queue: "voices" });
    await resumed;
    const applied = client.apply([defineQueue({ name: "voices", order: "priority" })]);
    expect(await reply([])).toEqual({
      type: "apply",
      queues: [{ name: "voices", order: "priority", placement: "two-choices", paused: false, revision: 1 }],
    });
    await applied;
  });

  it("throws what the dispatcher refuses", async () => {
    const drained = expect(client.drain("nobody")).rejects.toMatchObject({ code: "INVALID_NAME" });
    expect(await reply(null, false)).toEqual({ type: "drain", worker: "nobody" });
    await drained;
    const paused = expect(client.pause("voices")).rejects.toMatchObject({
      code: "FENCED",
      message: "The dispatcher refused (pause voices): not mine",
    });
    await reply({ code: "FENCED", message: "not mine" }, false);
    await paused;
    await expect(client.pause("")).rejects.toMatchObject({ code: "INVALID_NAME" });
  });
});

describe("input", () => {
  it("is what the task was submitted with", async () => {
    const sent = await submitted("hello");
    await expect(client.input(sent.id)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    await dispatcher.keepTask(sent, "ready");
    expect(await client.input(sent.id)).toBe("hello");
  });
});

describe("retry", () => {
  it("submits the input of an ended task again", async () => {
    const sent = await submitted("again");
    await expect(client.retry(sent.id)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    await dispatcher.keepTask(sent, "failed", { result: "" });
    const task = await client.retry(sent.id);
    await host.settle();
    expect(dispatcher.submissions.at(-1)).toMatchObject({
      id: task.id,
      retryOf: sent.id,
      payload: '"again"',
      spec: echo.spec,
    });
  });

  it("refuses a task that goes on", async () => {
    const sent = await submitted();
    await dispatcher.keepTask(sent, "ready");
    await expect(client.retry(sent.id)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  });
});
