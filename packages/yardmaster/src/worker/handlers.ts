import { optionCheck } from "../definition/options.ts";
import type { AnyTask, TaskDefinition } from "../definition.ts";
import { MAX_DELAY_MS } from "../protocol/check.ts";
import type { LogLine } from "../protocol/envelope.ts";
import { quoted } from "../protocol/quotation.ts";
import type { TaskId } from "../protocol/task.ts";

/** What a handler is given, beside the worker's context. All of it may be taken apart: nothing depends on `this`. */
export interface Call<Input> {
  /** As the definition's input schema parsed it. */
  readonly input: Input;
  /** Aborts when the attempt must end: timed out, cancelled, or the worker closes. `reason` is a YardmasterError. */
  readonly signal: AbortSignal;
  /** From 1. With `taskId` the key for idempotent effects. */
  readonly attempt: number;
  readonly taskId: TaskId;
  /** Tells how far the attempt is, from 0 to 1; the latest word every 200 ms travels. */
  readonly progress: (fraction: number, note?: string) => void;
  /** Adds a line to the attempt's log: at most 4 KiB each, the last 100 every 200 ms travel. */
  readonly log: (message: string, level?: LogLine["level"]) => void;
  /** Submits another task. Not available in isolated threads. */
  readonly submit: Submit;
}

/** The client's `submit`, as far as handlers need it. */
export type Submit = <Input, Output, Parsed, Returned>(
  definition: TaskDefinition<Input, Output, Parsed, Returned>,
  input: Input,
  options?: SubmitOptions,
) => Promise<{ readonly id: TaskId }>;

/**
 * How a handler submits another task: `priority` 0 to 255 (default 0), larger first; `delayMs` before
 * it may start.
 */
export interface SubmitOptions {
  readonly priority?: number;
  readonly delayMs?: number;
  readonly idempotencyKey?: string;
}

/** Wraps every attempt of the handlers it is given with; `next` runs the rest and answers with the handler's end. */
export type Middleware<Context extends object = object> = (
  call: Call<unknown> & Context,
  next: () => Promise<unknown>,
  task: AnyTask,
) => unknown;

/** What all handlers made with it share. */
export interface HandlersOptions<Context extends object> {
  /** Built once for each worker (and each isolated thread), before it takes tasks. Ended with it by its `Symbol.asyncDispose`, `Symbol.dispose` or `close`. */
  readonly context?: () => Context | Promise<Context>;
  /** The first one is the outermost. */
  readonly use?: readonly Middleware<Context>[];
}

/** What a handler may end with: its output, or one of the values that say otherwise. */
export type HandlerEnd<Returned> = Returned | RetryIn | Fail;

/** Where the attempts of a handler run. */
export interface HandlerOptions {
  /** `thread` runs each attempt in a thread of a pool, which is ended when the attempt does not heed its signal. */
  readonly isolate?: "thread";
  /** The module whose default export has the handler, for the thread to import: `import.meta.url`. */
  readonly module?: string;
}

/** Makes handlers that share a context and middleware. */
export interface Handlers<Context extends object> {
  /** A definition with the code that runs it. Throws INVALID_OPTIONS. */
  on<Input, Output, Parsed, Returned>(
    definition: TaskDefinition<Input, Output, Parsed, Returned>,
    handler: (call: Call<Parsed> & Context) => HandlerEnd<Returned> | Promise<HandlerEnd<Returned>>,
    options?: HandlerOptions,
  ): Handler;
  /**
   * As `on`, for a handler that takes several attempts in one call: as many as `size` says (no more than the worker has
   * slots), or those that have come within `withinMs` of the first. It answers with one end for each, in their order:
   * what a handler of `on` may return, or an Error. What it throws is the end of all. Each attempt keeps its own slot,
   * signal, timeout and retries; one that is aborted before the call is left out of it. Throws INVALID_OPTIONS.
   *
   * @example
   * const { onBatch } = createHandlers();
   * onBatch(insert, { size: 100, withinMs: 20 }, async (calls) => table.insertAll(calls.map(({ input }) => input)));
   */
  onBatch<Input, Output, Parsed, Returned>(
    definition: TaskDefinition<Input, Output, Parsed, Returned>,
    options: BatchOptions,
    handler: (
      calls: readonly (Call<Parsed> & Context)[],
    ) => BatchEnds<Returned> | Promise<BatchEnds<Returned>>,
  ): Handler;
}

/** How many tasks one call takes, and how long it waits for them. */
export interface BatchOptions {
  /** 2 to 10,000. */
  readonly size: number;
  /** How long the first waits for others, 1 to 60,000. */
  readonly withinMs: number;
}

/** How each task of a batch ends, in the order of the calls: an `Error` is a failure of that task alone. */
export type BatchEnds<Returned> = readonly (HandlerEnd<Returned> | Error)[];

/** What a worker needs to gather attempts for one call. */
export interface Batch extends BatchOptions {
  readonly run: (calls: readonly Call<unknown>[]) => unknown;
  /** The middleware around one attempt. */
  readonly around: (inner: (call: Call<unknown>) => unknown) => (call: Call<unknown>) => unknown;
}

/** Shared by copies of this package: a worker file may import another one than the command that loads it. */
const HANDLER: unique symbol = Symbol.for("yardmaster.handler");
const END: unique symbol = Symbol.for("yardmaster.end");

/** A definition with its handler, ready for a worker. Made by `on`. */
export interface Handler {
  readonly [HANDLER]: true;
  readonly definition: AnyTask;
  /** Middleware and handler, in one. */
  readonly run: (call: Call<unknown>) => unknown;
  readonly source: HandlerSource;
  readonly isolate: "thread" | null;
  readonly module: string;
  /** Null where each attempt is a call of its own. */
  readonly batch: Batch | null;
}

/** One call of `createHandlers`: all of its handlers share a context. */
export interface HandlerSource {
  readonly context: (() => object | Promise<object>) | null;
}

/** Made by `retryIn`. */
export interface RetryIn {
  readonly [END]: "retryIn";
  readonly delayMs: number;
}

/** Made by `fail`. */
export interface Fail {
  readonly [END]: "fail";
  readonly reason: unknown;
}

/** What a handler returns to be tried again after `delayMs` (0 to ten years) in place of the definition's backoff. */
export function retryIn(delayMs: number): RetryIn {
  const wait = optionCheck("retryIn").whole("delayMs", delayMs, { min: 0, max: MAX_DELAY_MS, otherwise: 0 });
  return { [END]: "retryIn", delayMs: wait };
}

/** What a handler returns to fail its task for good, however many attempts are left. */
export function fail(reason: string | Error): Fail {
  return { [END]: "fail", reason };
}

export function isRetryIn(value: unknown): value is RetryIn {
  return endOf(value) === "retryIn";
}

export function isFail(value: unknown): value is Fail {
  return endOf(value) === "fail";
}

export function isHandler(value: unknown): value is Handler {
  return typeof value === "object" && value !== null && HANDLER in value;
}

function endOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && END in value ? value[END] : undefined;
}

/**
 * Where handlers are made. They share one context and the middleware.
 *
 * @example
 * const { on } = createHandlers({ context: async () => ({ db: await openDb() }) });
 * const handlers = [on(resize, async ({ input, db }) => ({ bytes: await db.resize(input) }))];
 */
export function createHandlers<Context extends object = object>(
  options: HandlersOptions<Context> = {},
): Handlers<Context> {
  const check = optionCheck("createHandlers");
  check.known(options, ["context", "use"]);
  const { context, use = [] } = options;
  if (context !== undefined && typeof context !== "function") check.refuse("context", "a function", context);
  if (!Array.isArray(use) || use.some((step) => typeof step !== "function"))
    check.refuse("use", "a list of functions", use);
  const source: HandlerSource = Object.freeze({ context: context ?? null });
  return {
    on(definition, handler, handlerOptions = {}) {
      const { isolate, module } = checkHandler(definition, handler, handlerOptions);
      // A call's context is the one that this source built: the worker pairs them.
      const run = handler as (call: Call<unknown>) => unknown;
      const steps = use as readonly Middleware[];
      return Object.freeze({
        [HANDLER]: true as const,
        definition,
        run: steps.length === 0 ? run : wrap(steps, run, definition),
        source,
        isolate,
        module,
        batch: null,
      });
    },
    onBatch(definition, batchOptions, handler) {
      const { isolate, module } = checkHandler(definition, handler, {});
      const { size, withinMs } = checkBatch(definition.name, batchOptions);
      // As in `on`.
      const run = handler as (calls: readonly Call<unknown>[]) => unknown;
      const steps = use as readonly Middleware[];
      const around: Batch["around"] = (inner) =>
        steps.length === 0 ? inner : wrap(steps, inner, definition);
      return Object.freeze({
        [HANDLER]: true as const,
        definition,
        // A worker gathers; without one, an attempt is a batch of one.
        run: around(async (call) => firstOf(await run([call]))),
        source,
        isolate,
        module,
        batch: Object.freeze({ size, withinMs, run, around }),
      });
    },
  };
}

function firstOf(ends: unknown): unknown {
  const end: unknown = Array.isArray(ends) ? ends[0] : ends;
  if (end instanceof Error) throw end;
  return end;
}

function checkBatch(name: string, options: BatchOptions): BatchOptions {
  const check = optionCheck(`onBatch ${quoted(name)}`);
  check.known(options, ["size", "withinMs"]);
  const { size, withinMs } = options;
  if (size === undefined) check.refuse("size", "a whole number", size);
  if (withinMs === undefined) check.refuse("withinMs", "milliseconds", withinMs);
  return {
    size: check.whole("size", size, { min: 2, max: 10_000, otherwise: 2 }),
    withinMs: check.whole("withinMs", withinMs, { min: 1, max: 60_000, otherwise: 1 }),
  };
}

function checkHandler(
  definition: { readonly name: string },
  handler: unknown,
  options: HandlerOptions,
): { readonly isolate: "thread" | null; readonly module: string } {
  const check = optionCheck(`on ${quoted(definition?.name)}`);
  if (typeof definition !== "object" || definition === null || !("spec" in definition)) {
    check.refuse("definition", "made by defineTask", definition);
  }
  if (typeof handler !== "function") check.refuse("handler", "a function", handler);
  check.known(options, ["isolate", "module"]);
  const { isolate, module } = options;
  if (isolate === undefined) return { isolate: null, module: module ?? "" };
  check.oneOf("isolate", isolate, ["thread"]);
  if (typeof module === "string" && module !== "") return { isolate, module };
  return check.refuse(
    "module",
    "given with isolate: import.meta.url of the file that exports the handler",
    module,
  );
}

function wrap(
  steps: readonly Middleware[],
  run: (call: Call<unknown>) => unknown,
  definition: AnyTask,
): (call: Call<unknown>) => unknown {
  const runFrom = async (index: number, call: Call<unknown>): Promise<unknown> => {
    const step = steps[index];
    return step === undefined ? run(call) : step(call, () => runFrom(index + 1, call), definition);
  };
  return (call) => runFrom(0, call);
}
