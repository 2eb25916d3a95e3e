import { Client, startClient } from "./client/client.ts";
import { openEngine } from "./connect.ts";
import { optionCheck, optionsOf } from "./definition/options.ts";
import type { OnAlarm } from "./dispatcher/alarm.ts";
import { type Dispatcher, type DispatcherOptions, startDispatcherOn } from "./dispatcher/dispatcher.ts";
import type { Engine, EngineAddress } from "./engine.ts";
import { type EngineWait, EngineWatch, whenReachable } from "./engine-watch.ts";
import { type Health, healthOf } from "./health.ts";
import { type Host, systemHost } from "./host.ts";
import { openTracing } from "./opentelemetry.ts";
import { checkDelay } from "./protocol/check.ts";
import { YardmasterError } from "./protocol/errors.ts";
import type { SecurityOptions } from "./security/keys.ts";
import { securedEngine } from "./security/secured-engine.ts";
import { type ShardStatus, shardStatusOf } from "./shard-status.ts";
import type { Tracing, TracingSettings } from "./tracing.ts";
import type { OnAttempt } from "./worker/attempt-news.ts";
import type { Handler, Submit } from "./worker/handlers.ts";
import { inlineHeartbeats } from "./worker/inline-heartbeats.ts";
import { threadHeartbeats } from "./worker/thread-heartbeats.ts";
import { type CloseReport, startWorkerOn, type Worker } from "./worker/worker.ts";

/** Which yard: one URL for broker and store, or one for each. */
export type YardAddress = { readonly url: string } | { readonly broker: string; readonly store: string };

/** How a yard is opened. */
export interface ConnectOptions extends EngineWait {
  /** Signed frames and encrypted payloads; off by default. All processes of a yard need the same keys. */
  readonly security?: SecurityOptions;
  /** How many shards a yard gets that does not exist yet, 1 to 4,096; default 1. One that exists keeps its number. */
  readonly shards?: number;
}

/** What a worker runs, and how much of it. */
export interface WorkerSettings {
  /** At least one, with different task names: what `createHandlers().on` makes. */
  readonly handlers: readonly Handler[];
  /** How many attempts run at a time, 1 to 10,000; default 10. */
  readonly slots?: number;
  /** What tasks may ask for: `{ zone: "eu" }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What tasks may need, and how much there is of it, by any names: `{ cpu: 4, gpu: 1, memoryMb: 16_384 }`. */
  readonly resources?: Readonly<Record<string, number>>;
  /** How long attempts may go on after a closing worker has aborted them; default 5,000. */
  readonly graceMs?: number;
  /** Told of each attempt that starts and ends here, for logs; must not throw. */
  readonly onAttempt?: OnAttempt;
  /** Told what went wrong but is being tried again; must not throw. */
  readonly report?: (what: string, error: unknown) => void;
}

/** How a dispatcher works. */
export interface DispatcherSettings {
  /** The most tasks of a shard that are kept in memory (2,000,000); what is more waits in the store. */
  readonly maxLive?: number;
  /**
   * How long the record of a task is kept at least after its end, whatever its definition says: a copy of a submission
   * that comes within that time is known as one. Default 24 hours. Shorter keeps a yard of many small tasks small;
   * make it longer than a client or a broker of yours may take to repeat a submission.
   */
  readonly keepIdsMs?: number;
  /** Told what an operator should know; must not throw. */
  readonly onAlarm?: OnAlarm;
}

const CONNECT_OPTIONS = [
  "waitForEngineMs",
  "onEngine",
  "security",
  "shards",
] as const satisfies readonly (keyof ConnectOptions)[];
const TRACING_OPTIONS = ["tracing"] as const satisfies readonly (keyof TracingSettings)[];
const PLACE_OPTIONS = ["url", "broker", "store", ...CONNECT_OPTIONS] as const;
const WORKER_SETTINGS = [
  "handlers",
  "slots",
  "labels",
  "resources",
  "graceMs",
  "onAttempt",
  "report",
] as const satisfies readonly (keyof WorkerSettings)[];
const DISPATCHER_SETTINGS = [
  "maxLive",
  "keepIdsMs",
  "onAlarm",
] as const satisfies readonly (keyof DispatcherSettings)[];
const WORKER_OPTIONS = [...PLACE_OPTIONS, ...WORKER_SETTINGS, ...TRACING_OPTIONS];
const DISPATCHER_OPTIONS = [...PLACE_OPTIONS, ...DISPATCHER_SETTINGS];
const ALL_OPTIONS = [...WORKER_OPTIONS, ...DISPATCHER_SETTINGS];

/** Anything with an end of its own. */
interface Part {
  close(options: { readonly timeoutMs: number }): Promise<unknown>;
}

const CLOSE_MS = 30_000;
/** What the first part to close leaves for the rest. */
const FIRST_SHARE = 0.7;
const LEAST_CLOSE_MS = 100;
const DAY_MS = 86_400_000;

/** A connection to a yard, with everything that it runs itself. */
export class Yard extends Client {
  private readonly before: readonly Part[];
  private readonly opened: OpenEngine;

  constructor(opened: OpenEngine, host: Host, before: readonly Part[], tracing: Tracing | null) {
    super(opened.engine, host, tracing);
    this.opened = opened;
    this.before = before;
  }

  /** How the engine and the dispatchers are at the moment. Never throws; settles within seconds. */
  health(): Promise<Health> {
    return healthOf(this.opened.engine, this.host);
  }

  /** Who dispatches each shard, and what waits in its lanes; needs no dispatcher. At most the first 256. */
  shards(): Promise<ShardStatus[]> {
    return shardStatusOf(this.opened.engine, this.host);
  }

  /** As of a client; `timeoutMs` is 30,000 by default where it also runs tasks. */
  override close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const isObject = typeof options === "object" && options !== null;
    const hasOwnLimit = !isObject || options.timeoutMs !== undefined || this.before.length === 0;
    return super.close(hasOwnLimit ? options : { timeoutMs: CLOSE_MS });
  }

  protected override shut(timeoutMs: number): Promise<void> {
    const client: Part = { close: (options) => super.shut(options.timeoutMs) };
    return closeAll(this.host, timeoutMs, [...this.before, client, this.opened]);
  }
}

/**
 * Connects to a yard, to submit tasks and to look at it. Throws INVALID_URL, DRIVER_MISSING, ENGINE_DENIED, and
 * BROKER_UNAVAILABLE or STORE_UNAVAILABLE when the engine could not be reached within `waitForEngineMs`.
 *
 * @example
 * const yard = await connect("sqlite:./yard.db");
 * const task = await yard.submit(resize, { url, width: 320 });
 * console.log(await task.result());
 * await yard.close();
 */
export async function connect(
  address: string | YardAddress,
  options: ConnectOptions & TracingSettings = {},
): Promise<Yard> {
  const tracing = await tracingOf(optionsOf("connect", options, [...CONNECT_OPTIONS, ...TRACING_OPTIONS]));
  return started(address, options, (opened) => openYard(opened, [], tracing));
}

/**
 * Runs a whole yard in this process: a dispatcher, a worker with these handlers, and a client, which is what it returns.
 * Other processes may join it at the same URL. `close` (default 30,000 ms) lets running tasks finish first.
 *
 * @example
 * const yard = await startYard({ url: "sqlite:./yard.db", handlers: [on(resize, resizeImage)], slots: 4 });
 * console.log(await (await yard.submit(resize, { url, width: 320 })).result());
 * await yard.close();
 */
export async function startYard(
  options: YardAddress & ConnectOptions & WorkerSettings & DispatcherSettings & TracingSettings,
): Promise<Yard> {
  const tracing = await tracingOf(optionsOf("startYard", options, ALL_OPTIONS));
  return started(options, options, async (opened) => {
    const parts: Part[] = [];
    const yard = await openYard(opened, parts, tracing);
    try {
      checkMemory(options);
      parts.unshift(await startDispatcherOn(dispatcherOptions(opened, options)));
      const submit: Submit = (definition, input, submitOptions) =>
        yard.submit(definition, input, submitOptions);
      parts.unshift(await openWorker(opened, options, submit, tracing));
      return yard;
    } catch (error) {
      await closeQuietly([yard]);
      throw error;
    }
  });
}

/** A worker of this process. */
export interface RunningWorker {
  readonly id: string;
  /** Resolves when the worker was told to drain, or was closed, and has ended everything. */
  readonly drained: Promise<CloseReport>;
  /** How many attempts run. */
  readonly running: number;
  /** How many attempts run at a time at most. */
  readonly slots: number;
  /** Changes that, from 1 to 1,000 or what it was started with; what runs goes on. Throws INVALID_OPTIONS. */
  setSlots(slots: number): void;
  /** Takes no more work, hands back what has not started, and ends when the rest has. */
  drain(): Promise<CloseReport>;
  /** Drains within `timeoutMs` (default 30,000), then ends what still runs; the answer names it. */
  close(options?: { readonly timeoutMs?: number }): Promise<CloseReport>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Runs handlers for a yard whose dispatcher is elsewhere.
 *
 * @example
 * const worker = await startWorker({ url: "redis://localhost:6379/0", handlers, slots: 50 });
 * process.once("SIGTERM", () => void worker.close({ timeoutMs: 20_000 }));
 */
export async function startWorker(
  options: YardAddress & ConnectOptions & WorkerSettings & TracingSettings,
): Promise<RunningWorker> {
  const tracing = await tracingOf(optionsOf("startWorker", options, WORKER_OPTIONS));
  return started(options, options, async (opened) => {
    const client: { current: Client | null } = { current: null };
    const submit = submitThrough(client, opened.engine, tracing);
    const worker = await openWorker(opened, options, submit, tracing);
    return new OwnedWorker(worker, opened, client);
  });
}

/** A dispatcher of this process. */
export interface RunningDispatcher {
  readonly owner: string;
  /** The shards that it owns at the moment; none while it stands by. */
  owned(): readonly { readonly shard: number; readonly epoch: number }[];
  /** Gives up its shards. Settles within `timeoutMs` (default 30,000). */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Runs a dispatcher: it owns what shards it can get and stands by for the others.
 *
 * @example
 * const dispatcher = await startDispatcher({ url: "redis://localhost:6379/0" });
 */
export async function startDispatcher(
  options: YardAddress & ConnectOptions & DispatcherSettings,
): Promise<RunningDispatcher> {
  return started(optionsOf("startDispatcher", options, DISPATCHER_OPTIONS), options, async (opened) => {
    checkMemory(options);
    const dispatcher = await startDispatcherOn(dispatcherOptions(opened, options));
    return owning(dispatcher, opened);
  });
}

/** A worker with the engine that it runs on and the client that its handlers may have needed. */
class OwnedWorker implements RunningWorker {
  readonly id: string;
  readonly drained: Promise<CloseReport>;
  private readonly worker: Worker;
  private readonly engine: Part;
  private readonly client: { readonly current: Client | null };
  private closing: Promise<CloseReport> | null = null;

  constructor(worker: Worker, engine: Part, client: { readonly current: Client | null }) {
    this.id = worker.id;
    this.drained = worker.drained;
    this.worker = worker;
    this.engine = engine;
    this.client = client;
  }

  get running(): number {
    return this.worker.running;
  }

  get slots(): number {
    return this.worker.slots;
  }

  setSlots(slots: number): void {
    this.worker.setSlots(slots);
  }

  drain(): Promise<CloseReport> {
    return this.worker.drain();
  }

  async close(options: { readonly timeoutMs?: number } = {}): Promise<CloseReport> {
    const timeoutMs = closeMsOf(options);
    // A second, shorter limit hastens the first.
    if (this.closing !== null) void this.worker.close({ timeoutMs });
    this.closing ??= this.shut(timeoutMs);
    return this.closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async shut(timeoutMs: number): Promise<CloseReport> {
    const client: Part = { close: async (options) => this.client.current?.close(options) };
    await closeAll(systemHost, timeoutMs, [this.worker, client, this.engine]);
    return this.worker.drained;
  }
}

function owning(dispatcher: Dispatcher, engine: Part): RunningDispatcher {
  let closing: Promise<void> | null = null;
  const close: RunningDispatcher["close"] = async (options = {}) => {
    const timeoutMs = closeMsOf(options);
    closing ??= closeAll(systemHost, timeoutMs, [dispatcher, engine]);
    return closing;
  };
  return {
    owner: dispatcher.owner,
    owned: () => dispatcher.owned(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** `before` may still grow: its parts close first. */
async function openYard(opened: OpenEngine, before: readonly Part[], tracing: Tracing | null): Promise<Yard> {
  const yard = new Yard(opened, systemHost, before, tracing);
  await yard.open();
  return yard;
}

/** The library is loaded only where somebody asks for it. */
async function tracingOf({ tracing = false }: TracingSettings): Promise<Tracing | null> {
  return tracing ? await openTracing() : null;
}

function openWorker(
  opened: OpenEngine,
  settings: WorkerSettings & ConnectOptions,
  submit: Submit,
  tracing: Tracing | null,
): Promise<Worker> {
  const { engine, watch } = opened;
  const { security } = settings;
  const { handlers, slots, labels, resources, graceMs, onAttempt, report = () => undefined } = settings;
  // Only an engine that another thread can open lets heartbeats go on while a handler blocks this one.
  const heartbeats =
    engine.url === null
      ? inlineHeartbeats
      : threadHeartbeats({
          address: engine.url,
          module: connectModule(),
          ...(security?.signing === undefined ? {} : { signing: security.signing }),
        });
  return startWorkerOn({
    engine,
    host: systemHost,
    handlers,
    submit,
    tracing,
    heartbeats,
    ...(slots === undefined ? {} : { slots }),
    ...(labels === undefined ? {} : { labels }),
    ...(resources === undefined ? {} : { resources }),
    ...(graceMs === undefined ? {} : { graceMs }),
    ...(onAttempt === undefined ? {} : { onAttempt }),
    report: (what, error) => {
      watch.failed(error);
      report(what, error);
    },
  });
}

/** What handlers submit with: a client that exists only once one of them does. */
function submitThrough(client: { current: Client | null }, engine: Engine, tracing: Tracing | null): Submit {
  let starting: Promise<Client> | null = null;
  return async (definition, input, options) => {
    if (client.current !== null) return client.current.submit(definition, input, options);
    starting ??= startClient({ engine, tracing }).finally(() => {
      starting = null;
    });
    client.current ??= await starting;
    return client.current.submit(definition, input, options);
  };
}

/** `connect` beside this file, from sources and built alike. */
function connectModule(): string {
  const here = import.meta.url;
  return new URL(`./connect${here.slice(here.lastIndexOf("."))}`, here).href;
}

/** Opens an engine and starts what runs on it, again and again while it cannot be reached and the options say so. */
function started<T>(
  address: string | YardAddress,
  options: ConnectOptions,
  start: (opened: OpenEngine) => Promise<T>,
): Promise<T> {
  const { shards, onEngine, security } = options;
  checkListeners(options);
  return whenReachable(systemHost, options, async () => {
    const plain = await openEngine(placeOf(address), systemHost, shards === undefined ? {} : { shards });
    const opened = new OpenEngine(plain, onEngine);
    try {
      opened.engine = securedEngine(plain, security, systemHost);
      return await start(opened);
    } catch (error) {
      await closeQuietly([opened]);
      throw error;
    }
  });
}

/** An engine of this process's own, and who tells of its loss. */
class OpenEngine implements Part {
  engine: Engine;
  readonly watch: EngineWatch;

  constructor(engine: Engine, onEngine: EngineWait["onEngine"]) {
    this.engine = engine;
    this.watch = new EngineWatch(engine, systemHost, onEngine);
  }

  close(options: { readonly timeoutMs: number }): Promise<void> {
    this.watch.close();
    return this.engine.close(options);
  }
}

/** A listener that is none would end the process when there is something to tell. */
function checkListeners(options: ConnectOptions & Partial<WorkerSettings> & DispatcherSettings): void {
  const { onEngine, onAlarm, onAttempt, report } = options;
  for (const [field, listener] of Object.entries({ onEngine, onAlarm, onAttempt, report }))
    if (listener !== undefined && typeof listener !== "function")
      optionCheck("options").refuse(field, "a function", listener);
}

function placeOf(address: string | YardAddress): EngineAddress {
  if (typeof address !== "object" || address === null) return address;
  return "url" in address ? address.url : { broker: address.broker, store: address.store };
}

function dispatcherOptions(
  { engine, watch }: OpenEngine,
  { maxLive, keepIdsMs, onAlarm = () => undefined }: DispatcherSettings,
): DispatcherOptions {
  return {
    engine,
    host: systemHost,
    limits: {
      ...(maxLive === undefined ? {} : { maxLive: atLeast(1, "maxLive", maxLive) }),
      ...(keepIdsMs === undefined ? {} : { minIdTtlMs: atLeast(0, "keepIdsMs", keepIdsMs) }),
    },
    onAlarm: (alarm) => {
      if (alarm.code === "ENGINE_UNAVAILABLE") {
        watch.failed(new YardmasterError("BROKER_UNAVAILABLE", alarm.message));
      }
      onAlarm(alarm);
    },
  };
}

/** What a dispatcher forgets before a frame is too old could be sent to it again. */
function checkMemory({ security, keepIdsMs = DAY_MS }: ConnectOptions & DispatcherSettings): void {
  const { maxAgeMs = DAY_MS } = security?.signing ?? {};
  if (security?.signing === undefined || maxAgeMs <= keepIdsMs) return;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `signing.maxAgeMs (${maxAgeMs}) is longer than keepIdsMs (${keepIdsMs}): an old submission could be replayed.`,
    { details: { field: "keepIdsMs" } },
  );
}

function atLeast(least: number, field: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  const message = `${field} is an integer of ${least} or more.`;
  throw new YardmasterError("INVALID_OPTIONS", message, { details: { field } });
}

/** Throws INVALID_OPTIONS. */
function closeMsOf(options: { readonly timeoutMs?: number }): number {
  const { timeoutMs = CLOSE_MS } = optionsOf("close", options);
  checkDelay(timeoutMs, "timeoutMs");
  return timeoutMs;
}

/** Closes one after the other, whatever fails, within `timeoutMs` in all; then throws what failed first. */
async function closeAll(host: Host, timeoutMs: number, parts: readonly Part[]): Promise<void> {
  const until = host.monotonic() + timeoutMs;
  const failures: unknown[] = [];
  for (const [index, part] of parts.entries()) {
    const leftMs = until - host.monotonic();
    const shareMs = index < parts.length - 1 ? leftMs * FIRST_SHARE : leftMs;
    await part
      .close({ timeoutMs: Math.max(LEAST_CLOSE_MS, Math.floor(shareMs)) })
      .catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

/** After a failure to start: that failure is the one to report. */
async function closeQuietly(parts: readonly Part[]): Promise<void> {
  await closeAll(systemHost, CLOSE_MS, parts).catch(() => undefined);
}
