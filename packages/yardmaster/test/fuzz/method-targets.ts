import fc from "fast-check";
import { Client } from "../../src/client/client.ts";
import { Graph } from "../../src/client/graph-handle.ts";
import { Graphs } from "../../src/client/graphs.ts";
import { call, group } from "../../src/client/plan.ts";
import { Schedules } from "../../src/client/schedules.ts";
import { Ticket } from "../../src/client/ticket.ts";
import { startDispatcherOn } from "../../src/dispatcher/dispatcher.ts";
import { HttpClient } from "../../src/http-client.ts";
import { createMemoryWorld } from "../../src/memory/world.ts";
import { HistoryChecker } from "../../src/testing/history.ts";
import { createManualHost, type ManualHost } from "../../src/testing/manual-host.ts";
import type { TestYard } from "../../src/testing/test-yard.ts";
import { startWorkerOn, Worker } from "../../src/worker/worker.ts";
import { hostileValue, spoiled } from "./hostile-arguments.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, judged, judgedLater } from "./judgement.ts";
import { echo, HANDLERS, onYard, untyped } from "./on-a-yard.ts";
import { type Target, target } from "./target.ts";

type AnyMethod = (...args: unknown[]) => unknown;
type Arguments = fc.Arbitrary<readonly unknown[]>;

/** The methods of one class that a caller of the package has in hand, and how they are called with anything. */
export interface MethodFamily {
  readonly type: { readonly prototype: object };
  /** What only the package itself calls, or what takes nothing and ends the object. */
  readonly hidden: ReadonlySet<string>;
  readonly targets: readonly Target[];
}

const ID = "01a20a41-b509-7bda-b299-aa96b368d005";
const text = fc.oneof(fc.constantFrom(...HOSTILE_TEXTS), fc.string());
const values: Arguments = fc.array(hostileValue, { maxLength: 3 });
const one: Arguments = fc.tuple(hostileValue);
const idOrAnything = fc.oneof(fc.constant(ID), hostileValue);

function called(object: unknown, name: string, args: readonly unknown[]): unknown {
  return untyped<Readonly<Record<string, AnyMethod>>>(object)[name]?.apply(object, [...args]);
}

/** Calls a method of something that a yard has. */
function onPart(owner: string, part: (yard: TestYard) => unknown): (name: string, args: Arguments) => Target {
  return (name, args) =>
    target(`${owner}.${name}`, args, (given) =>
      onYard(async (yard) => walked(await called(await part(yard), name, given))),
    );
}

/** A generator does nothing until somebody asks for what comes. */
async function walked(result: unknown): Promise<void> {
  if (typeof result !== "object" || result === null || !(Symbol.asyncIterator in result)) return;
  const iterator = untyped<AsyncIterable<unknown>>(result)[Symbol.asyncIterator]();
  try {
    await Promise.race([iterator.next(), untyped<Promise<unknown>>(iterator.return?.())]);
  } finally {
    await iterator.return?.();
  }
}

const SUBMIT = {
  priority: 1,
  delayMs: 1,
  runAt: 1,
  expiresInMs: 1,
  idempotencyKey: "k",
  attempts: 2,
  timeoutMs: 1,
  deadlineInMs: 5,
};
const SCHEDULE = {
  cron: "* * * * *",
  timeZone: "UTC",
  missed: "all",
  missedLimit: 3,
  overlap: "skip",
  priority: 1,
};

const method = onPart("Client", (yard) => yard);
const CLIENT: MethodFamily = {
  type: Client,
  hidden: new Set(["post", "place", "checkPlace", "nowFor", "shut", "open", "close"]),
  targets: [
    method("submit", fc.tuple(fc.constant(echo), hostileValue, spoiled(SUBMIT))),
    method("submit", fc.tuple(hostileValue, hostileValue)),
    method("submitMany", fc.tuple(fc.constant(echo), hostileValue, spoiled(SUBMIT))),
    method("submitGraph", one),
    method("schedule", fc.tuple(text, fc.constant(echo), hostileValue, spoiled(SCHEDULE))),
    method("handle", fc.tuple(hostileValue, idOrAnything)),
    ...["get", "status", "explain", "story", "input", "retry"].map((name) =>
      method(name, fc.tuple(idOrAnything)),
    ),
    method("cancel", fc.tuple(idOrAnything, hostileValue)),
    method("list", fc.tuple(spoiled({ state: "ready", queue: "q", name: "n", limit: 5 }))),
    method(
      "find",
      fc.tuple(spoiled({ states: ["failed"], queue: "q", from: 1, to: 2, cursor: "c", limit: 5 })),
    ),
    method("trace", fc.tuple(spoiled({ from: 1, to: 2 }))),
    ...["queues", "stats", "workers", "clocks"].map((name) => method(name, values)),
    ...["pause", "resume", "active"].map((name) => method(name, one)),
    method("drain", fc.tuple(hostileValue, spoiled({ withinMs: 5 }))),
    method("activity", fc.tuple(spoiled({ since: { 0: { epoch: 1, ended: 1 } }, limit: 5 }))),
    method(
      "configure",
      fc.tuple(fc.oneof(fc.constant("default"), hostileValue), spoiled({ weight: 2, concurrency: null })),
    ),
    method("setSlots", fc.tuple(hostileValue, hostileValue)),
    method("apply", fc.tuple(fc.oneof(hostileValue, fc.array(hostileValue, { maxLength: 2 })))),
  ],
};

const schedules = onPart("Schedules", (yard) => yard.schedules);
const SCHEDULES: MethodFamily = {
  type: Schedules,
  hidden: new Set(["declaredIn", "forget", "orderAll", "order"]),
  targets: [
    schedules("list", values),
    ...["ticks", "pause", "resume", "remove", "runNow"].map((name) => schedules(name, one)),
    schedules("put", fc.tuple(text, fc.constant(echo), hostileValue, spoiled(SCHEDULE))),
    schedules("put", fc.tuple(hostileValue, hostileValue, hostileValue, hostileValue)),
  ],
};

const graphs = onPart("Graphs", (yard) => yard.graphs);
const GRAPHS: MethodFamily = {
  type: Graphs,
  hidden: new Set(["graphOf", "liveGraph", "records", "ask"]),
  targets: [
    graphs("list", fc.tuple(spoiled({ limit: 5 }))),
    graphs("get", fc.tuple(idOrAnything, spoiled({ from: 0, limit: 5 }))),
    graphs("cancel", fc.tuple(idOrAnything, hostileValue)),
  ],
};

const WAIT = { timeoutMs: 5, signal: undefined };
const task = onPart("TaskHandle", (yard) => yard.submit(echo, 1));
const TASK: MethodFamily = {
  type: Ticket,
  hidden: new Set([
    ...["confirmation", "confirm", "refuse", "accept", "batchAnswered", "fail", "settle", "progress"],
    ...[
      "wait",
      "feed",
      "unlink",
      "gain",
      "lose",
      "deliver",
      "endStream",
      "tell",
      "keep",
      "report",
      "takeWaiters",
    ],
  ]),
  targets: [
    task("accepted", values),
    ...["result", "settled"].map((name) => task(name, fc.tuple(spoiled(WAIT)))),
    task("events", fc.tuple(spoiled({ signal: undefined }))),
    task("cancel", one),
  ],
};

const graph = onPart("GraphHandle", (yard) => yard.submitGraph(group([call(echo, 1), call(echo, 2)])));
const GRAPH: MethodFamily = {
  type: Graph,
  hidden: new Set(),
  targets: [
    ...["result", "settled"].map((name) => graph(name, fc.tuple(spoiled(WAIT)))),
    graph("cancel", one),
  ],
};

/** Moves time no further than it takes. */
async function driven(host: ManualHost, promise: Promise<unknown>): Promise<void> {
  let isDone = false;
  const watched = promise.finally(() => {
    isDone = true;
  });
  watched.catch(() => undefined);
  await host.settle();
  for (let tries = 0; !isDone && tries < 200; tries += 1) await host.advance(500);
  if (!isDone) throw new Error("It takes longer than 100 s.");
  await watched;
}

/** A worker of its own each time, as some of what is called ends it. */
function worker(name: string, args: Arguments): Target {
  return target(`RunningWorker.${name}`, args, (given) =>
    judgedLater(async () => {
      const host = createManualHost();
      const world = createMemoryWorld(host);
      const dispatcher = await startDispatcherOn({ engine: world.open(), host });
      const submit = async (): Promise<never> => Promise.reject(new Error("Nobody submits here."));
      const running = await startWorkerOn({
        engine: world.open(),
        host,
        handlers: HANDLERS,
        slots: 2,
        submit,
      });
      await host.settle();
      try {
        await driven(host, Promise.resolve(called(running, name, given)));
      } finally {
        await driven(host, Promise.all([running.close(), dispatcher.close()]));
      }
    }),
  );
}
const WORKER: MethodFamily = {
  type: Worker,
  hidden: new Set(["open"]),
  targets: [
    worker("setSlots", one),
    worker("drain", values),
    worker("close", fc.tuple(spoiled({ timeoutMs: 5 }))),
  ],
};

/** Every answer that a method may wait for, in one. */
const ANSWER = {
  ...{ ended: true, ok: true, id: ID, chapters: [], shards: [], tasks: [], queues: [] },
  ...{ graphs: [], schedules: [], workers: [] },
};
const API = "http://127.0.0.1:4400/api/v1/";

/** What a caller passes must reach the address that the method stands for, or none. */
function http(name: string, args: Arguments, path: RegExp): Target {
  return target(`HttpClient.${name}`, args, (given) => {
    const asked: typeof fetch = async (url, init) => {
      const { href, pathname } = new URL(String(url));
      if (!href.startsWith(API) || !path.test(pathname.slice("/api/v1/".length)))
        throw new Error(`${name} asks for ${href}.`);
      if (typeof init?.body === "string") JSON.parse(init.body);
      const isStream = /^(?:live|tasks\/[^/]+\/events)$/.test(pathname.slice("/api/v1/".length));
      return isStream ? new Response("event: state\ndata: {}\n\n") : Response.json(ANSWER);
    };
    const client = new HttpClient({ url: "http://127.0.0.1:4400", token: "t", fetch: asked });
    return judgedLater(async () => walked(await called(client, name, given)));
  });
}
const onOne = fc.tuple(idOrAnything);
const withBody = fc.tuple(idOrAnything, fc.oneof(hostileValue, spoiled({ a: 1 })));
const HTTP: MethodFamily = {
  type: HttpClient,
  hidden: new Set(["stream", "get", "post", "send"]),
  targets: [
    http("submit", fc.tuple(hostileValue, spoiled({ wait: 5 })), /^tasks$/),
    http("submitBatch", one, /^tasks\/batch$/),
    http("status", onOne, /^tasks\/[^/]+$/),
    ...["explain", "story", "values", "events", "retry"].map((name) =>
      http(name, onOne, new RegExp(`^tasks/[^/]+/${name}$`)),
    ),
    http("poll", withBody, /^tasks\/[^/]+\/result$/),
    http("result", onOne, /^tasks\/[^/]+\/result$/),
    http("cancel", withBody, /^tasks\/[^/]+\/cancel$/),
    http("live", one, /^live$/),
    ...["session", "shards", "queues", "stats", "schedules", "workers", "health"].map((name) =>
      http(name, fc.constant([]), new RegExp(`^${name}$`)),
    ),
    http("list", fc.tuple(spoiled({ limit: 5, state: "ready" })), /^tasks$/),
    http("history", fc.tuple(spoiled({ limit: 5, states: ["failed"] })), /^history$/),
    http("bulkCancel", one, /^bulk\/cancel$/),
    http("bulkRetry", one, /^bulk\/retry$/),
    ...["pause", "resume"].map((name) => http(name, onOne, new RegExp(`^queues/[^/]+/${name}$`))),
    http("configure", withBody, /^queues\/[^/]+\/configure$/),
    http("graphs", fc.tuple(spoiled({ limit: 5 })), /^graphs$/),
    http("graph", fc.tuple(idOrAnything, spoiled({ from: 5, limit: 5 })), /^graphs\/[^/]+$/),
    http("cancelGraph", withBody, /^graphs\/[^/]+\/cancel$/),
    ...["pause", "resume", "remove", "run"].map((verb) =>
      http(`${verb}Schedule`, onOne, new RegExp(`^schedules/[^/]+/${verb}$`)),
    ),
    http("scheduleTicks", onOne, /^schedules\/[^/]+\/ticks$/),
    http("active", onOne, /^workers\/[^/]+\/active$/),
    http("drain", fc.tuple(idOrAnything, spoiled({ withinMs: 5 })), /^workers\/[^/]+\/drain$/),
    http("setSlots", withBody, /^workers\/[^/]+\/slots$/),
  ],
};

const RECORD = { id: ID, state: "ready", attempt: 0, spec: { name: "a", attempts: 3 } };
const facts = fc.oneof(
  ...[
    { type: "submitting", label: "a", intent: {} },
    { type: "submitted", label: "a", id: ID },
    { type: "accepted", id: ID, outcome: "created" },
    { type: "cancelled", id: ID },
    { type: "acquired", lease: { shard: 0, owner: "a", epoch: 1 } },
    {
      type: "committed",
      lease: { shard: 0, owner: "a", epoch: 1 },
      sequence: 1,
      changes: [{ type: "insert", task: RECORD, payload: "" }],
    },
    { type: "started", label: "a", id: ID, attempt: 1, process: "p" },
    { type: "effect", label: "a", id: ID, attempt: 1 },
    { type: "ended", id: ID, attempt: 1 },
    { type: "processGone", process: "p" },
    { type: "lost", since: 0 },
    { type: "read", id: ID, result: "1" },
    { type: "settled", id: ID, state: "succeeded" },
  ].map((fact) => spoiled({ at: 1, ...fact })),
);
function checker(name: string, args: Arguments): Target {
  return target(
    `HistoryChecker.${name}`,
    args,
    (given): Ending =>
      judged(() => {
        const history = new HistoryChecker({ slots: 1 });
        try {
          called(history, name, given);
        } finally {
          history.finish({ awaited: new Set() });
        }
      }),
  );
}
const CHECKER: MethodFamily = {
  type: HistoryChecker,
  hidden: new Set(),
  targets: [
    checker("observe", fc.tuple(facts)),
    checker("finish", fc.tuple(fc.oneof(spoiled({ awaited: new Set([ID]) }), hostileValue))),
    checker("report", fc.tuple(text, text)),
  ],
};

/** By class: `open`, `close` and what a test yard adds are fed as exports. */
export const METHOD_FAMILIES: Readonly<Record<string, MethodFamily>> = {
  Client: CLIENT,
  Schedules: SCHEDULES,
  Graphs: GRAPHS,
  TaskHandle: TASK,
  GraphHandle: GRAPH,
  RunningWorker: WORKER,
  HttpClient: HTTP,
  HistoryChecker: CHECKER,
};

export const METHOD_TARGETS: readonly Target[] = Object.values(METHOD_FAMILIES).flatMap(
  ({ targets }) => targets,
);
