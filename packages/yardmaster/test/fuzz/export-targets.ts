import fc from "fast-check";
import { call, chain, chord, fanOut, group, map, type Plan, step } from "../../src/client/plan.ts";
import { defineQueue } from "../../src/definition/queue.ts";
import { defineTask } from "../../src/definition.ts";
import { createToken, hashToken, parseTokens, startHttp } from "../../src/http.ts";
import { BOUNDS_MS, HttpClient, ProblemError, STATES, TERMINAL_STATES } from "../../src/http-client.ts";
import { ERRORS, type ErrorCode, isCode, YardmasterError } from "../../src/protocol/errors.ts";
import { HistoryChecker } from "../../src/testing/history.ts";
import { checkHistory } from "../../src/testing/history-file.ts";
import { createTestYard, type TestYard } from "../../src/testing/test-yard.ts";
import { createHandlers, fail, retryIn } from "../../src/worker/handlers.ts";
import { loadHandlers } from "../../src/worker/loader.ts";
import { connect, startDispatcher, startWorker, startYard } from "../../src/yard.ts";
import { hostileValue, spoiled } from "./hostile-arguments.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, judged, judgedLater } from "./judgement.ts";
import { type Target, target } from "./target.ts";

const echo = defineTask({ name: "echo" });
const { on } = createHandlers();
const HANDLERS = [on(echo, ({ input }) => input)];
const ID = "01a20a41-b509-7bda-b299-aa96b368d005";

const TASK = {
  name: "a",
  queue: "default",
  attempts: 3,
  backoff: { type: "exponential", baseMs: 1, maxMs: 2, jitter: "full" },
  timeoutMs: 1,
  priority: 1,
  version: 1,
  concurrency: 1,
  needs: { cpu: 1 },
  labels: { zone: "eu" },
};
const QUEUE = { name: "q", order: "fair", placement: "pack", weight: 1, concurrency: 2, agingMs: 5 };
const text = fc.oneof(fc.constantFrom(...HOSTILE_TEXTS), fc.string());
const values = fc.array(hostileValue, { maxLength: 3 });
const noEngine = fc.oneof(
  text.map((rest) => `nothing:${rest}`),
  text.map((rest) => `memory:${rest}/`),
  text.map((rest) => `sqlite:?durability=${rest}`),
  text.map((rest) => `amqp://127.0.0.1:1/${encodeURIComponent(rest.toWellFormed())}`),
  fc.constantFrom(
    "redis://127.0.0.1:1/-1",
    "redis://127.0.0.1:1/0?x=1",
    "postgres://127.0.0.1:1/a?host=/no/such/folder",
  ),
  hostileValue.filter((value) => typeof value !== "string"),
);
const addresses = fc.oneof(
  noEngine,
  noEngine.map((url) => ({ url })),
  fc.tuple(noEngine, noEngine).map(([broker, store]) => ({ broker, store })),
);

/** JavaScript has no types: what a test passes is what a caller without a compiler may pass. */
function untyped<T>(value: unknown): T {
  return value as T;
}

/** What cannot go wrong by what is passed is only called. */
const plainly =
  (run: (input: unknown) => unknown) =>
  (input: unknown): Ending =>
    judged(() => run(input));

/** An engine that answers after all is closed again. */
async function opened(
  opening: Promise<{ close(options: { timeoutMs: number }): Promise<unknown> }>,
): Promise<void> {
  await (await opening).close({ timeoutMs: 1_000 });
}

/** By export: how it is called with what nobody should pass. */
export const EXPORT_TARGETS: Readonly<Record<string, Target>> = Object.fromEntries(
  [
    target(". defineTask", 1, spoiled(TASK), (options) => judged(() => defineTask(untyped<never>(options)))),
    target(". defineQueue", 1, spoiled(QUEUE), (options) =>
      judged(() => defineQueue(untyped<never>(options))),
    ),
    target(". call", 1, values, ([task, input, options]) =>
      submitted(() => call(untyped<never>(task), untyped<never>(input), untyped<never>(options))),
    ),
    target(". step", 1, values, ([task, options]) =>
      submitted(() =>
        chain(call(echo, 1), untyped<never>(step(untyped<never>(task), untyped<never>(options)))),
      ),
    ),
    target(". chain", 1, values, (parts) =>
      submitted(() => untyped<(...parts: unknown[]) => Plan>(chain)(...parts)),
    ),
    target(". group", 1, values, (parts) => submitted(() => group(untyped<never>(parts)))),
    target(". fanOut", 1, values, (parts) =>
      submitted(() => chain(call(echo, 1), untyped<never>(fanOut(...untyped<never[]>(parts))))),
    ),
    target(". chord", 1, values, ([parts, body]) =>
      submitted(() => chord(untyped<never>(parts), untyped<never>(body))),
    ),
    target(". map", 1, values, ([task, inputs]) =>
      submitted(() => map(untyped<never>(task), untyped<never>(inputs))),
    ),
    target(
      ". ERRORS",
      1,
      fc.constantFrom(...HOSTILE_TEXTS),
      plainly((name) => Object.hasOwn(ERRORS, String(name))),
    ),
    target(
      ". isCode",
      1,
      values,
      plainly((input) => isCode(input, untyped<ErrorCode>(input))),
    ),
    target(
      ". YardmasterError",
      1,
      text,
      plainly((message) => new YardmasterError("CLOSED", String(message)).message),
    ),
    target(". connect", 1, addresses, (address) =>
      judgedLater(() => opened(connect(untyped<never>(address)))),
    ),
    target(". startYard", 1, addresses, (address) =>
      judgedLater(() => opened(startYard({ ...Object(address), handlers: HANDLERS }))),
    ),
    target(". startWorker", 1, fc.tuple(addresses, hostileValue), ([address, handlers]) =>
      judgedLater(() => opened(startWorker({ ...Object(address), handlers: untyped<never>(handlers) }))),
    ),
    target(". startDispatcher", 1, addresses, (address) =>
      judgedLater(() => opened(startDispatcher(untyped<never>(address)))),
    ),
    target("./worker createHandlers", 1, values, ([options, task, handler]) =>
      judged(() => createHandlers(untyped<never>(options)).on(untyped<never>(task), untyped<never>(handler))),
    ),
    target(
      "./worker fail",
      1,
      hostileValue,
      plainly((reason) => fail(untyped<never>(reason))),
    ),
    target(
      "./worker retryIn",
      1,
      hostileValue,
      plainly((delayMs) => retryIn(untyped<never>(delayMs))),
    ),
    target("./worker loadHandlers", 1, text, (file) =>
      judgedLater(() => loadHandlers(`/no/such/folder/${file}`)),
    ),
    target(
      "./testing HistoryChecker",
      1,
      hostileValue,
      plainly((limits) => new HistoryChecker(untyped<never>(limits))),
    ),
    target("./testing checkHistory", 1, fc.array(fc.oneof(text, fc.json()), { maxLength: 4 }), (lines) =>
      judgedLater(() => checkHistory(lines, { slots: 1 })),
    ),
    target(
      "./http createToken",
      1,
      fc.constant(null),
      plainly(() => createToken()),
    ),
    target(
      "./http hashToken",
      1,
      text,
      plainly((token) => hashToken(String(token))),
    ),
    target("./http parseTokens", 1, fc.tuple(text, text), ([tokens, where]) =>
      judged(() => parseTokens(tokens, where)),
    ),
    target(
      "./http startHttp",
      1,
      spoiled({ tokens: [], host: "127.0.0.1", port: 0, limits: {} }),
      (options) =>
        judgedLater(async () => (await startHttp(untyped<never>({}), untyped<never>(options))).close()),
    ),
    ...Object.entries({ BOUNDS_MS, STATES, TERMINAL_STATES }).map(([name, list]) =>
      target(
        `./http-client ${name}`,
        1,
        hostileValue,
        plainly((input) => list.includes(untyped<never>(input))),
      ),
    ),
    target("./http-client HttpClient", 1, fc.tuple(text, text), ([url, token]) =>
      judged(() => new HttpClient({ url, token, fetch: untyped<never>(null) })),
    ),
    target(
      "./http-client ProblemError",
      1,
      text,
      plainly((detail) => new ProblemError(untyped<never>({ detail })).message),
    ),
  ].map((one) => [one.what, one] as const),
);

const once = createTestYard({ handlers: HANDLERS });

/** A plan shows what is wrong with it when it is submitted. */
function submitted(make: () => Plan): Promise<Ending> {
  return onYard(async (yard) => yard.submitGraph(make()));
}

async function onYard(use: (yard: TestYard) => unknown): Promise<Ending> {
  const yard = await once;
  return judgedLater(async () => {
    const using = Promise.resolve(use(yard));
    using.catch(() => undefined);
    await yard.settle();
    // What waits for somebody gets what time alone brings.
    await Promise.race([using, yard.advance(60_000)]);
    await Promise.race([using, Promise.resolve()]);
  });
}

type AnyMethod = (...args: unknown[]) => unknown;

function method(name: string, args: fc.Arbitrary<readonly unknown[]>): Target {
  return target(`Client.${name}`, 1, args, (given) =>
    onYard((yard) => untyped<Readonly<Record<string, AnyMethod>>>(yard)[name]?.apply(yard, [...given])),
  );
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
const idOrAnything = fc.oneof(fc.constant(ID), hostileValue);

/** By method of a connected yard; `open`, `close` and what a test yard adds do not take anything from outside. */
export const CLIENT_TARGETS: readonly Target[] = [
  method("submit", fc.tuple(fc.constant(echo), hostileValue, spoiled(SUBMIT))),
  method("submit", fc.tuple(hostileValue, hostileValue)),
  method("submitMany", fc.tuple(fc.constant(echo), hostileValue, spoiled(SUBMIT))),
  method("submitGraph", fc.tuple(hostileValue)),
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
  ...["queues", "stats", "workers"].map((name) => method(name, values)),
  ...["pause", "resume", "drain"].map((name) => method(name, fc.tuple(hostileValue))),
  ...["active", "activity", "clocks", "configure"].map((name) => method(name, values)),
  method("setSlots", fc.tuple(hostileValue, hostileValue)),
  method("apply", fc.tuple(fc.oneof(hostileValue, fc.array(hostileValue, { maxLength: 2 })))),
];
