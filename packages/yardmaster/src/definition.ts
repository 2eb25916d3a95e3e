import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type BackoffOptions, backoffOf } from "./definition/backoff.ts";
import { type Codec, codecOf } from "./definition/codec.ts";
import { type OptionCheck, optionCheck } from "./definition/options.ts";
import { DEFAULT_QUEUE, type QueueDefinition } from "./definition/queue.ts";
import { type LabelOptions, type RequirementOptions, requirementsOf } from "./definition/requirements.ts";
import { checkTaskRouting } from "./definition/routing.ts";
import { type SpeculationOptions, speculationOf } from "./definition/speculation.ts";
import {
  type AffinityOptions,
  type ConcurrencyOptions,
  type FairnessOptions,
  type KeyedRateOptions,
  limitsOf,
  type TermsMaker,
  type TermsOptions,
  termsMaker,
} from "./definition/terms.ts";
import { checkName, MAX_DELAY_MS } from "./protocol/check.ts";
import { quoted } from "./protocol/quotation.ts";
import { MAX_BYTES, MAX_PRIORITY, type TaskSpec } from "./protocol/task.ts";

/**
 * What a producer and a worker agree on about a task.
 *
 * `Input` is what producers submit (the input schema's input), `Parsed` what the handler gets (its output),
 * `Returned` what the handler returns (the output schema's input) and `Output` what waiters get (its output).
 */
export interface TaskOptions<Input, Parsed, Returned, Output>
  extends TermsOptions<Parsed>,
    RequirementOptions {
  /** At most 256 bytes, without control characters; unique in the yard. */
  readonly name: string;
  /** A queue or its name; default "default". */
  readonly queue?: string | QueueDefinition<NoInfer<Parsed>>;
  /** A Standard Schema for the input; without one the input is not checked. */
  readonly input?: StandardSchemaV1<Input, Parsed>;
  /** A Standard Schema for what the handler returns. */
  readonly output?: StandardSchemaV1<Returned, Output>;
  /** How often the task is tried in all, 1 to 1,000; default 3. */
  readonly attempts?: number;
  /** Default exponential from 1 s to 60 s with full jitter. */
  readonly backoff?: BackoffOptions;
  /** How long an attempt may run; 0 for ever; default 60,000. */
  readonly timeoutMs?: number;
  /** How long a handler may go on after its signal was aborted; default 5,000. */
  readonly graceMs?: number;
  /** 0 to 255, larger first, in queues ordered by priority; default 0. */
  readonly priority?: number;
  /** `at-most-once` never runs a task twice and fails it with WORKER_LOST instead; default `at-least-once`. */
  readonly delivery?: "at-least-once" | "at-most-once";
  /** The version of the input's shape, from 1; default 1. */
  readonly version?: number;
  /** By old version: turns its input into the next version's. */
  readonly upgrade?: Readonly<Record<number, (old: unknown) => unknown>>;
  /** How long after acceptance the task may still start; 0 (default) for ever. */
  readonly expiresInMs?: number;
  /** How long the record of a success is kept; default 24 hours, and never shorter than dispatchers keep ids. */
  readonly keepResultMs?: number;
  /** How long any other terminal record is kept; default 7 days, and never shorter than dispatchers keep ids. */
  readonly keepFailureMs?: number;
  /** Default 1 MiB, at most 64 MiB. */
  readonly maxPayloadBytes?: number;
  /** Default 1 MiB, at most 64 MiB. */
  readonly maxResultBytes?: number;
  /** How input and output become bytes; default strict JSON. */
  readonly codec?: Codec;
  /** Whose share of the queue's workers a task uses: makes its queue `fair` where nobody named its order. */
  readonly fairness?: FairnessOptions<Parsed>;
  /** How many tasks of the definition, or of each key, may run at a time; a number of the shard's that the queue is in. */
  readonly concurrency?: ConcurrencyOptions<Parsed>;
  /** How often tasks of the definition, or of each key, may start. */
  readonly rate?: KeyedRateOptions<Parsed>;
  /** How much of a worker's resources a task takes while it runs: `{ cpu: 1, gpu: 1, memoryMb: 2048 }`, any names. */
  readonly needs?: Readonly<Record<string, number>>;
  /** Which labels its workers must have, and which they should have. */
  readonly labels?: LabelOptions;
  /** Which tasks go to the same worker, in a queue placed `sticky`. */
  readonly affinity?: AffinityOptions<Parsed>;
  /**
   * For tasks that may run twice at a time without harm: an attempt that takes far longer than expected is joined by a
   * second one on another worker, in a slot that nothing else could use. The first success counts. Default false.
   */
  readonly speculative?: boolean | SpeculationOptions;
}

/** A checked, frozen definition. Carries no handler: producers import it without the handler's code. */
export interface TaskDefinition<Input, Output, Parsed = Input, Returned = Output> {
  readonly name: string;
  readonly queue: string;
  /** How the queue is declared, when the definition names it by its declaration. */
  readonly queueDefinition: QueueDefinition | undefined;
  readonly input: StandardSchemaV1<Input, Parsed> | undefined;
  readonly output: StandardSchemaV1<Returned, Output> | undefined;
  readonly version: number;
  /** By version: how an input of that version is read as one of the next. */
  readonly upgrade: Readonly<Record<number, (old: unknown) => unknown>>;
  readonly priority: number;
  readonly expiresInMs: number;
  readonly maxPayloadBytes: number;
  readonly maxResultBytes: number;
  readonly codec: Codec | undefined;
  /** Asks the key functions; undefined where there are none. */
  readonly terms: TermsMaker<Parsed> | undefined;
  /** One frozen object for all submissions. */
  readonly spec: TaskSpec;
  /** Never set: keeps the four types for inference. */
  readonly "~types"?: TaskTypes<Input, Output, Parsed, Returned>;
}

export interface TaskTypes<Input, Output, Parsed, Returned> {
  readonly input: Input;
  readonly output: Output;
  readonly parsed: Parsed;
  readonly returned: Returned;
}

/** Any definition, where its types do not matter. */
export type AnyTask = Pick<
  TaskDefinition<unknown, unknown>,
  | "name"
  | "queue"
  | "queueDefinition"
  | "version"
  | "upgrade"
  | "priority"
  | "expiresInMs"
  | "maxPayloadBytes"
  | "maxResultBytes"
  | "codec"
  | "terms"
  | "spec"
> & { readonly input: StandardSchemaV1 | undefined; readonly output: StandardSchemaV1 | undefined };

const FIELDS = [
  "name",
  "queue",
  "input",
  "output",
  "attempts",
  "backoff",
  "timeoutMs",
  "graceMs",
  "priority",
  "delivery",
  "version",
  "upgrade",
  "expiresInMs",
  "keepResultMs",
  "keepFailureMs",
  "maxPayloadBytes",
  "maxResultBytes",
  "codec",
  "fairness",
  "concurrency",
  "rate",
  "needs",
  "labels",
  "affinity",
  "speculative",
] as const satisfies readonly (keyof TaskOptions<unknown, unknown, unknown, unknown>)[];

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

/**
 * Defines a task. Types come from the schemas, or from the type arguments where there are none. Throws INVALID_NAME
 * or INVALID_OPTIONS naming the field.
 *
 * @example
 * const resize = defineTask({ name: "image.resize", input: z.object({ url: z.url() }), attempts: 5 });
 * const ping = defineTask<{ host: string }, number>({ name: "ping" });
 */
export function defineTask<Input = unknown, Output = unknown, Parsed = Input, Returned = Output>(
  options: TaskOptions<Input, Parsed, Returned, Output>,
): TaskDefinition<Input, Output, Parsed, Returned> {
  const check = optionCheck(`defineTask ${quoted(options?.name)}`);
  check.known(options, FIELDS);
  const version = check.whole("version", options.version, { min: 1, max: 65_535, otherwise: 1 });
  checkTaskRouting(options.name, options.queue, options);
  const bytes = { min: 0, max: MAX_BYTES, otherwise: MIB };
  const spec = specFrom(options, version, check);
  return Object.freeze({
    name: spec.name,
    queue: spec.queue,
    queueDefinition: typeof options.queue === "object" ? options.queue : undefined,
    input: schemaOf("input", options.input, check),
    output: schemaOf("output", options.output, check),
    version,
    upgrade: upgradeOf(options.upgrade, version, check),
    priority: check.whole("priority", options.priority, { min: 0, max: MAX_PRIORITY, otherwise: 0 }),
    expiresInMs: check.whole("expiresInMs", options.expiresInMs, {
      min: 0,
      max: MAX_DELAY_MS,
      otherwise: 0,
    }),
    maxPayloadBytes: check.whole("maxPayloadBytes", options.maxPayloadBytes, bytes),
    maxResultBytes: check.whole("maxResultBytes", options.maxResultBytes, bytes),
    codec: codecOf(options.codec, check),
    terms: termsOf(options, check),
    spec,
  });
}

/** What all submissions of a definition share: always the same frozen object. */
export function specOf(definition: { readonly spec: TaskSpec }): TaskSpec {
  return definition.spec;
}

function specFrom(
  options: Omit<TaskOptions<never, never, never, never>, "input" | "output">,
  version: number,
  check: OptionCheck,
): TaskSpec {
  const duration = (
    field: "timeoutMs" | "graceMs" | "keepResultMs" | "keepFailureMs",
    otherwise: number,
  ): number => check.whole(field, options[field], { min: 0, max: MAX_DELAY_MS, otherwise });
  checkName(options.name, "A task's name");
  const limits = limitsOf(options, check);
  const requirements = requirementsOf(options, check);
  const speculation = speculationOf(options.speculative, options.delivery, check);
  return Object.freeze({
    name: options.name,
    queue: queueName(options.queue, check),
    version,
    attempts: check.whole("attempts", options.attempts, { min: 1, max: 1_000, otherwise: 3 }),
    backoff: backoffOf(options.backoff, check),
    timeoutMs: duration("timeoutMs", MINUTE_MS),
    graceMs: duration("graceMs", 5_000),
    delivery: check.oneOf("delivery", options.delivery, ["at-least-once", "at-most-once"]),
    keepResultMs: duration("keepResultMs", DAY_MS),
    keepFailureMs: duration("keepFailureMs", 7 * DAY_MS),
    ...(limits === undefined ? {} : { limits }),
    ...(requirements === undefined ? {} : { requirements }),
    ...(speculation === undefined ? {} : { speculation }),
  });
}

function termsOf<Parsed>(
  options: TermsOptions<Parsed> & { readonly name: string; readonly queue?: string | QueueDefinition },
  check: OptionCheck,
): TermsMaker<Parsed> | undefined {
  const { fairness, affinity, queue } = options;
  const isFair = typeof queue !== "object" || queue.order === "fair" || queue.orderByDefault === true;
  if (fairness !== undefined && !isFair) {
    const must = `left out, or its queue ${quoted(queue.name)} ordered "fair" (its default then) instead of "${queue.order}"`;
    check.refuse("fairness", must, fairness);
  }
  if (affinity !== undefined && typeof queue === "object" && queue.placement !== "sticky") {
    const must = `left out, or its queue ${quoted(queue.name)} placed "sticky" instead of "${queue.placement}"`;
    check.refuse("affinity", must, affinity);
  }
  return termsMaker(options, options.name, check);
}

function queueName(queue: string | QueueDefinition | undefined, check: OptionCheck): string {
  if (queue === undefined) return DEFAULT_QUEUE;
  const isNamed = typeof queue === "string" || (typeof queue === "object" && queue !== null);
  if (!isNamed) return check.refuse("queue", "a name or a queue", queue);
  const name = typeof queue === "string" ? queue : queue.name;
  checkName(name, "A queue's name", "queue");
  return name;
}

function schemaOf<Schema extends StandardSchemaV1>(
  field: string,
  schema: Schema | undefined,
  check: OptionCheck,
): Schema | undefined {
  if (schema === undefined || typeof schema?.["~standard"]?.validate === "function") return schema;
  return check.refuse(field, "a Standard Schema (zod, valibot, arktype, ...)", schema);
}

function upgradeOf(
  upgrade: Readonly<Record<number, (old: unknown) => unknown>> | undefined,
  version: number,
  check: OptionCheck,
): Readonly<Record<number, (old: unknown) => unknown>> {
  for (const [from, step] of Object.entries(upgrade ?? {})) {
    const old = Number(from);
    const isOlder = Number.isSafeInteger(old) && old >= 1 && old < version;
    if (!isOlder) check.refuse("upgrade", `keyed by versions from 1 to ${version - 1}`, from);
    if (typeof step !== "function") check.refuse(`upgrade[${from}]`, "a function", step);
  }
  return Object.freeze({ ...upgrade });
}
