import fc from "fast-check";
import { call, chain, chord, fanOut, group, map, type Plan, step } from "../../src/client/plan.ts";
import { defineQueue } from "../../src/definition/queue.ts";
import { defineTask } from "../../src/definition.ts";
import { createToken, hashToken, parseTokens, startHttp } from "../../src/http.ts";
import {
  BOUNDS_MS,
  HttpClient,
  ORDERS,
  PLACEMENTS,
  ProblemError,
  STATES,
  TERMINAL_STATES,
} from "../../src/http-client.ts";
import { ERRORS, type ErrorCode, isCode, YardmasterError } from "../../src/protocol/errors.ts";
import { HistoryChecker } from "../../src/testing/history.ts";
import { checkHistory } from "../../src/testing/history-file.ts";
import { createTestYard } from "../../src/testing/test-yard.ts";
import { createHandlers, fail, retryIn } from "../../src/worker/handlers.ts";
import { loadHandlers } from "../../src/worker/loader.ts";
import { connect, startDispatcher, startWorker, startYard } from "../../src/yard.ts";
import { hostileValue, spoiled } from "./hostile-arguments.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, judged, judgedLater } from "./judgement.ts";
import { echo, HANDLERS, onYard, untyped } from "./on-a-yard.ts";
import { type Target, target } from "./target.ts";

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

const CONNECT = {
  shards: 1,
  waitForEngineMs: 0,
  onEngine: () => undefined,
  security: undefined,
  tracing: false,
};
const START = {
  ...CONNECT,
  slots: 2,
  labels: { zone: "eu" },
  resources: { cpu: 1 },
  graceMs: 5,
  onAttempt: () => undefined,
  report: () => undefined,
  maxLive: 5,
  keepIdsMs: 5,
  onAlarm: () => undefined,
};

/** An engine that is there, and options of which one is wrong. */
function inMemory(options: Readonly<Record<string, unknown>>): fc.Arbitrary<readonly unknown[]> {
  return fc.tuple(fc.constant("memory:any-options"), spoiled(options));
}

/** A listener that throws, as a class does where it is called, ends the process, and should. */
function quiet(options: object): object {
  const entries = Object.entries(options);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === "function" ? () => undefined : value]),
  );
}

function withUrl(address: unknown): { url: never } {
  return typeof address === "string" ? { url: untyped<never>(address) } : Object(address);
}

/** Ten years of heartbeats take longer than a case may. */
function soonOr(ms: unknown): unknown {
  return typeof ms === "number" && ms > 10_000 && ms < 1e12 ? 10_000 : ms;
}

/** By export: how it is called with what nobody should pass. */
export const EXPORT_TARGETS: Readonly<Record<string, Target>> = Object.fromEntries(
  [
    target(". defineTask", spoiled(TASK), (options) => judged(() => defineTask(untyped<never>(options)))),
    target(". defineQueue", spoiled(QUEUE), (options) => judged(() => defineQueue(untyped<never>(options)))),
    target(". call", values, ([task, input, options]) =>
      submitted(() => call(untyped<never>(task), untyped<never>(input), untyped<never>(options))),
    ),
    target(". step", values, ([task, options]) =>
      submitted(() =>
        chain(call(echo, 1), untyped<never>(step(untyped<never>(task), untyped<never>(options)))),
      ),
    ),
    target(". chain", values, (parts) =>
      submitted(() => untyped<(...parts: unknown[]) => Plan>(chain)(...parts)),
    ),
    target(". group", values, (parts) => submitted(() => group(untyped<never>(parts)))),
    target(". fanOut", values, (parts) =>
      submitted(() => chain(call(echo, 1), untyped<never>(fanOut(...untyped<never[]>(parts))))),
    ),
    target(". chord", values, ([parts, body]) =>
      submitted(() => chord(untyped<never>(parts), untyped<never>(body))),
    ),
    target(". map", values, ([task, inputs]) =>
      submitted(() => map(untyped<never>(task), untyped<never>(inputs))),
    ),
    target(
      ". ERRORS",
      fc.constantFrom(...HOSTILE_TEXTS),
      plainly((name) => Object.hasOwn(ERRORS, String(name))),
    ),
    target(
      ". isCode",
      values,
      plainly((input) => isCode(input, untyped<ErrorCode>(input))),
    ),
    target(
      ". YardmasterError",
      text,
      plainly((message) => new YardmasterError("CLOSED", String(message)).message),
    ),
    target(
      ". connect",
      fc.oneof(
        addresses.map((one) => [one]),
        inMemory(CONNECT),
      ),
      (args) => judgedLater(() => opened(connect(...untyped<[never]>(args)))),
    ),
    target(
      ". startYard",
      fc.oneof(
        addresses.map((one) => [one, {}]),
        inMemory(START),
      ),
      ([address, options]) =>
        judgedLater(() =>
          opened(startYard({ handlers: HANDLERS, ...quiet(Object(options)), ...withUrl(address) })),
        ),
    ),
    target(". startWorker", fc.tuple(addresses, hostileValue), ([address, handlers]) =>
      judgedLater(() => opened(startWorker({ ...Object(address), handlers: untyped<never>(handlers) }))),
    ),
    target(". startDispatcher", addresses, (address) =>
      judgedLater(() => opened(startDispatcher(untyped<never>(address)))),
    ),
    // Only connect and startYard make one: this is what it has beside a client's methods.
    target(". Yard", fc.oneof(spoiled({ timeoutMs: 1_000 }), hostileValue), (options) =>
      judgedLater(async () => {
        const yard = await connect("memory:closed-by-anything");
        try {
          await yard.shards();
          await yard.health();
          await yard.close(untyped<never>(options));
        } finally {
          await yard.close();
        }
      }),
    ),
    target("./worker createHandlers", values, ([options, task, handler]) =>
      judged(() => createHandlers(untyped<never>(options)).on(untyped<never>(task), untyped<never>(handler))),
    ),
    target(
      "./worker fail",
      hostileValue,
      plainly((reason) => fail(untyped<never>(reason))),
    ),
    target(
      "./worker retryIn",
      hostileValue,
      plainly((delayMs) => retryIn(untyped<never>(delayMs))),
    ),
    target("./worker loadHandlers", text, (file) =>
      judgedLater(() => loadHandlers(`/no/such/folder/${file}`)),
    ),
    target(
      "./testing HistoryChecker",
      hostileValue,
      plainly((limits) => new HistoryChecker(untyped<never>(limits))),
    ),
    target(
      "./testing createTestYard",
      spoiled({ handlers: HANDLERS, slots: 2, startMs: 5, seed: 3 }),
      (options) => judgedLater(async () => (await createTestYard(untyped<never>(options))).close()),
    ),
    // Only createTestYard makes one: this is what it has beside a client's methods.
    target("./testing TestYard", hostileValue, (ms) =>
      onYard((yard) => yard.advance(untyped<never>(soonOr(ms)))),
    ),
    target("./testing checkHistory", fc.array(fc.oneof(text, fc.json()), { maxLength: 4 }), (lines) =>
      judgedLater(() => checkHistory(lines, { slots: 1 })),
    ),
    target(
      "./http createToken",
      fc.constant(null),
      plainly(() => createToken()),
    ),
    target(
      "./http hashToken",
      text,
      plainly((token) => hashToken(String(token))),
    ),
    target("./http parseTokens", fc.tuple(text, text), ([tokens, where]) =>
      judged(() => parseTokens(tokens, where)),
    ),
    target("./http startHttp", spoiled({ tokens: [], host: "127.0.0.1", port: 0, limits: {} }), (options) =>
      judgedLater(async () => (await startHttp(untyped<never>({}), untyped<never>(options))).close()),
    ),
    ...Object.entries({ BOUNDS_MS, ORDERS, PLACEMENTS, STATES, TERMINAL_STATES }).map(([name, list]) =>
      target(
        `./http-client ${name}`,
        hostileValue,
        plainly((input) => list.includes(untyped<never>(input))),
      ),
    ),
    target("./http-client HttpClient", fc.tuple(text, text), ([url, token]) =>
      judged(() => new HttpClient({ url, token, fetch: untyped<never>(null) })),
    ),
    target(
      "./http-client ProblemError",
      text,
      plainly((detail) => new ProblemError(untyped<never>({ detail })).message),
    ),
  ].map((one) => [one.what, one] as const),
);

/** A plan shows what is wrong with it when it is submitted. */
function submitted(make: () => Plan): Promise<Ending> {
  return onYard(async (yard) => yard.submitGraph(make()));
}
