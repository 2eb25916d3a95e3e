import { createHash } from "node:crypto";
import { type BackoffOptions, backoffOf } from "../definition/backoff.ts";
import { encodeValue } from "../definition/codec.ts";
import { checkDefinition } from "../definition/definition-check.ts";
import { optionCheck } from "../definition/options.ts";
import { type RequirementOptions, requirementsOf } from "../definition/requirements.ts";
import { routeOf } from "../definition/routing.ts";
import { validate } from "../definition/schema.ts";
import { NO_TERMS } from "../definition/terms.ts";
import type { AnyTask } from "../definition.ts";
import { type ByteString, fromBuffer } from "../protocol/bytes.ts";
import { checkDelay, checkKey, checkPriority, MAX_DELAY_MS } from "../protocol/check.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { Interner } from "../protocol/interner.ts";
import { quoted } from "../protocol/quotation.ts";
import type { IdempotencyKey, Submission, TaskSpec, TaskTerms } from "../protocol/task.ts";
import { MAX_ASKED_MS } from "../protocol/writer.ts";
import { type CollapsingOptions, checkCollapsing, replaceTermsOf, throttleKeyOf } from "./collapsing.ts";
import { type DependencyOptions, linksOf } from "./linked.ts";
import { type TraceHeaders, traceText } from "./trace-option.ts";
import type { RunStatement } from "./transaction.ts";

/** How one task differs from its definition's defaults. */
export interface SubmitOptions extends RequirementOptions, DependencyOptions, CollapsingOptions {
  /** 0 to 255, larger first, in queues ordered by priority; default the definition's. */
  readonly priority?: number;
  /** Not before this long after acceptance; up to ten years. Excludes `runAt`. */
  readonly delayMs?: number;
  /** Not before this time, as a date or in milliseconds since the Unix epoch, by this machine's clock. */
  readonly runAt?: number | { getTime(): number };
  /** Must start within this long after acceptance, or it ends as `expired`; 0 for ever; default the definition's. */
  readonly expiresInMs?: number;
  /** When it should have ended, as a date or in milliseconds since the Unix epoch: for queues ordered by deadline. */
  readonly deadline?: number | { getTime(): number };
  /** The deadline, counted from acceptance; 1 ms up to ten years. Excludes `deadline`. */
  readonly deadlineInMs?: number;
  /** The same key, definition and input within the window is the same task. Up to 1,024 bytes. */
  readonly idempotencyKey?: string;
  /** How long the key is remembered; default 24 hours. */
  readonly idempotencyWindowMs?: number;
  /** How often this task is tried in all, in place of the definition's number. */
  readonly attempts?: number;
  readonly backoff?: BackoffOptions;
  /** How long an attempt of this task may run, in place of the definition's limit. */
  readonly timeoutMs?: number;
  /** In place of the definition's affinity key; 1 to 1,024 bytes. */
  readonly affinityKey?: string;
  /**
   * The headers of the trace that it is submitted in, such as `{ traceparent }` of a request, where that is not the active
   * one of OpenTelemetry in this process; up to 1,024 bytes of JSON. Workers that trace continue it.
   */
  readonly trace?: TraceHeaders;
  /**
   * Runs a statement in a transaction of yours on the yard's own database: the task exists if and only if that
   * commits. Waiting for it before throws TX_OPEN. UNSUPPORTED where neither broker nor store is such a database.
   */
  readonly tx?: RunStatement;
}

/** A submission before it has an id and a way back. */
export interface Draft extends Omit<Submission, "id" | "replyTo" | "copy"> {
  /** What chooses the shard in place of the queue, or null. */
  readonly route: string | null;
}

const FIELDS = [
  "priority",
  "delayMs",
  "runAt",
  "expiresInMs",
  "deadline",
  "deadlineInMs",
  "idempotencyKey",
  "idempotencyWindowMs",
  "attempts",
  "backoff",
  "timeoutMs",
  "needs",
  "labels",
  "affinityKey",
  "debounce",
  "throttle",
  "replace",
  "after",
  "ifDependencyFails",
  "trace",
  "tx",
] as const satisfies readonly (keyof SubmitOptions)[];

const DAY_MS = 86_400_000;
const HASH_BYTES = 16;
const NO_OPTIONS: SubmitOptions = Object.freeze({});

/**
 * Checks an input and its options; a deadline is in the future of `now`. A promise only where the schema is asynchronous. Throws INVALID_INPUT,
 * INVALID_OPTIONS, INVALID_ROUTING, INVALID_NAME or PAYLOAD_TOO_LARGE.
 */
export function draft(
  definition: AnyTask,
  input: unknown,
  options: SubmitOptions = NO_OPTIONS,
  now = 0,
): Draft | Promise<Draft> {
  checkDefinition(definition);
  if (typeof options !== "object" || options === null)
    optionCheck("submit").refuse("options", "an object", options);
  checkDeadline(options, now);
  const { input: schema } = definition;
  if (schema !== undefined) {
    const parsed = validate(schema, input, "INVALID_INPUT");
    if (parsed instanceof Promise)
      return parsed.then((late) => drafted(definition, input, options, boundFor(definition, late)));
    return drafted(definition, input, options, boundFor(definition, parsed));
  }
  return drafted(definition, input, options, boundFor(definition, input));
}

function checkDeadline({ deadline }: SubmitOptions, now: number): void {
  if (deadline === undefined) return;
  const at = millisOf(deadline, "deadline");
  if (at <= now) optionCheck("submit").refuse("deadline", "in the future", at);
}

/** What key functions say, which get what the schema made of the input. */
interface Bound {
  readonly terms: TaskTerms | null;
  readonly route: string | null;
}

const UNBOUND: Bound = Object.freeze({ terms: null, route: null });

function boundFor({ terms, queueDefinition }: AnyTask, parsed: unknown): Bound {
  if (terms === undefined && queueDefinition?.routeBy === undefined) return UNBOUND;
  return { terms: terms === undefined ? null : terms.of(parsed), route: routeOf(queueDefinition, parsed) };
}

/** The original input travels, not the parsed one: the worker parses again, and a transform must not run twice. */
function drafted(definition: AnyTask, input: unknown, options: SubmitOptions, bound: Bound): Draft {
  const payload = encodeValue(definition, input, "INVALID_INPUT");
  if (payload.length > definition.maxPayloadBytes) throw tooLarge(definition, payload.length);
  if (options === NO_OPTIONS) return plainDraft(definition, payload, bound);
  return optionedDraft(definition, payload, options, bound);
}

function optionedDraft(
  definition: AnyTask,
  payload: ByteString,
  options: SubmitOptions,
  bound: Bound,
): Draft {
  checkOptions(options);
  const { priority, delayMs = 0, runAt, expiresInMs } = options;
  const links = linksOf(options);
  return {
    spec: specOf(definition, options),
    priority: priority ?? definition.priority,
    runAt: runAt === undefined ? 0 : millisOf(runAt, "runAt"),
    delayMs,
    expiresInMs: expiresInMs ?? definition.expiresInMs,
    key: throttleKeyOf(options, bound.route) ?? keyOf(options, payload, bound.route),
    retryOf: "",
    terms: withOptions(bound.terms, options),
    route: bound.route,
    payload,
    ...(links === null ? {} : { links }),
  };
}

/** A task whose input is made of the results of others, as `payload` says. Throws INVALID_OPTIONS. */
export function fedDraft(
  definition: AnyTask,
  payload: ByteString,
  options: SubmitOptions,
  now: number,
): Draft {
  checkDeadline(options, now);
  return optionedDraft(definition, payload, options, UNBOUND);
}

function plainDraft(definition: AnyTask, payload: ByteString, { terms, route }: Bound): Draft {
  const { spec, priority, expiresInMs } = definition;
  return {
    spec,
    priority,
    runAt: 0,
    delayMs: 0,
    expiresInMs,
    key: null,
    retryOf: "",
    terms,
    route,
    payload,
  };
}

function checkOptions(options: SubmitOptions): void {
  const check = optionCheck("submit");
  check.known(options, FIELDS);
  if (options.tx !== undefined && typeof options.tx !== "function") {
    check.refuse("tx", "a function of a statement and its parameters", options.tx);
  }
  if (options.priority !== undefined) checkPriority(options.priority, "priority");
  if (options.delayMs !== undefined) checkDelay(options.delayMs, "delayMs");
  if (options.expiresInMs !== undefined) checkDelay(options.expiresInMs, "expiresInMs");
  if (options.delayMs !== undefined && options.runAt !== undefined) {
    check.refuse("runAt", "left out where delayMs is given", options.runAt);
  }
  if (options.deadlineInMs !== undefined) {
    check.whole("deadlineInMs", options.deadlineInMs, { min: 1, max: MAX_DELAY_MS, otherwise: 1 });
    if (options.deadline !== undefined)
      check.refuse("deadline", "left out where deadlineInMs is given", options.deadline);
  }
  if (options.affinityKey !== undefined) checkKey(options.affinityKey, "affinityKey");
  checkCollapsing(options, check);
  if (options.idempotencyWindowMs !== undefined && options.idempotencyKey === undefined) {
    check.refuse(
      "idempotencyWindowMs",
      "left out where there is no idempotencyKey",
      options.idempotencyWindowMs,
    );
  }
}

function withOptions(terms: TaskTerms | null, options: SubmitOptions): TaskTerms | null {
  const { deadline, deadlineInMs, affinityKey, trace } = options;
  const replace = replaceTermsOf(options);
  const own = [deadline, deadlineInMs, affinityKey, replace, trace];
  if (own.every((one) => one === undefined)) return terms;
  const usual = terms ?? NO_TERMS;
  return {
    ...usual,
    deadline: deadline === undefined ? usual.deadline : millisOf(deadline, "deadline"),
    deadlineInMs: deadlineInMs ?? usual.deadlineInMs,
    affinityKey: affinityKey ?? usual.affinityKey,
    ...(replace === undefined ? {} : { replace }),
    ...(trace === undefined ? {} : { trace: traceText(trace) }),
  };
}

function millisOf(date: number | { getTime(): number }, field: "runAt" | "deadline"): number {
  // A caller without types may give anything.
  const hasTime = typeof date === "object" && date !== null && typeof date.getTime === "function";
  const millis: unknown = hasTime ? date.getTime() : date;
  if (typeof millis === "number" && millis >= 0 && millis <= MAX_ASKED_MS) return Math.ceil(millis);
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `submit: ${field} must be a date or milliseconds since the Unix epoch, not ${quoted(millis)}.`,
    { details: { field } },
  );
}

/** The same key means another task where the routing key is another one. */
function keyOf(options: SubmitOptions, payload: ByteString, route: string | null): IdempotencyKey | null {
  const { idempotencyKey: key, idempotencyWindowMs: windowMs = DAY_MS } = options;
  if (key === undefined) return null;
  checkKey(key, "idempotencyKey");
  checkDelay(windowMs, "idempotencyWindowMs");
  const inputHash = hashOf(payload);
  const scoped = route === null ? key : scopedKey(key, route);
  checkKey(scoped, "The idempotencyKey, together with the routing key,", "idempotencyKey");
  return { key: scoped, windowMs, inputHash };
}

/** An idempotency key as it is kept where its queue is spread by a routing key. */
export function scopedKey(key: string, route: string): string {
  return `${route.length}:${route}:${key}`;
}

/** 128 bits of SHA-256: equal inputs are told from different ones, even where somebody looks for collisions. */
function hashOf(payload: ByteString): ByteString {
  return fromBuffer(createHash("sha256").update(payload, "latin1").digest().subarray(0, HASH_BYTES));
}

/** By definition: the specs of its submissions with other limits, so that equal ones stay one object. */
const derived = new WeakMap<TaskSpec, Interner<TaskSpec>>();
const MAX_DERIVED = 256;

function specOf({ spec }: AnyTask, options: SubmitOptions): TaskSpec {
  const { attempts, backoff, timeoutMs, needs, labels } = options;
  const own = [attempts, timeoutMs, backoff, needs, labels];
  if (own.every((option) => option === undefined)) return spec;
  const specs = derived.get(spec) ?? new Interner<TaskSpec>(MAX_DERIVED);
  derived.set(spec, specs);
  const key = JSON.stringify(own);
  const known = specs.get(key);
  if (known !== undefined) return known;
  const check = optionCheck("submit");
  const { requirements: usual, ...rest } = spec;
  const requirements = requirementsOf(options, check, usual);
  const made = Object.freeze({
    ...rest,
    attempts: check.whole("attempts", attempts, { min: 1, max: 1_000, otherwise: spec.attempts }),
    timeoutMs: check.whole("timeoutMs", timeoutMs, { min: 0, max: MAX_DELAY_MS, otherwise: spec.timeoutMs }),
    backoff: backoff === undefined ? spec.backoff : backoffOf(backoff, check),
    ...(requirements === undefined ? {} : { requirements }),
  });
  specs.set(key, made);
  return made;
}

function tooLarge({ name, maxPayloadBytes }: AnyTask, bytes: number): YardmasterError {
  return new YardmasterError(
    "PAYLOAD_TOO_LARGE",
    `The input of ${name} takes ${bytes} bytes: the most is ${maxPayloadBytes}. ` +
      "Pass a reference to large data, or raise maxPayloadBytes in the definition.",
    { details: { bytes, maxPayloadBytes } },
  );
}
