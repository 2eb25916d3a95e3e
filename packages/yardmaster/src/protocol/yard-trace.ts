import { RETURNED } from "./story.ts";
import {
  type Admission,
  isTerminal,
  type Millis,
  type Order,
  type PlacementName,
  type Rate,
  type State,
  type TaskId,
  type TaskRecord,
} from "./task.ts";

/** The version that this code writes, and the only one that it reads. */
export const TRACE_VERSION = 1;

/** The first line of a trace: what decided and who worked when it was written. Times are milliseconds since the Unix epoch. */
export interface TraceHeader {
  readonly yardmaster: "trace";
  readonly version: number;
  /** When it was written, by the clock of who wrote it. */
  readonly at: Millis;
  readonly queues: readonly TraceQueue[];
  readonly workers: readonly TraceWorker[];
}

/** How a queue was set. */
export interface TraceQueue {
  readonly name: string;
  readonly order: Order;
  readonly placement: PlacementName;
  readonly weight: number;
  readonly precedence: number;
  readonly agingMs: number;
  /** 0 for any number. */
  readonly concurrency: number;
  readonly rate: Rate | null;
  readonly admission: Admission;
}

/** A worker that was connected. */
export interface TraceWorker {
  readonly id: string;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, number>>;
  /** `name@version` of each task that it handles. */
  readonly tasks: readonly string[];
}

/** A task of a trace, without input, result and errors' texts; what is absent it does not have. Times are milliseconds since the Unix epoch. */
export interface TraceTask {
  readonly id: TaskId;
  readonly name: string;
  readonly version: number;
  readonly queue: string;
  readonly priority: number;
  /** Its last state, and why it ended where that does not say it. */
  readonly state: State;
  readonly code?: string;
  readonly submittedAt: Millis;
  /** When its first attempt might start, as far as time alone decides. */
  readonly dueAt: Millis;
  /** When it had to have started. */
  readonly expiresAt?: Millis;
  readonly deadline?: Millis;
  readonly fairnessKey?: string;
  /** Of its fairness key. */
  readonly weight?: number;
  readonly affinityKey?: string;
  readonly concurrencyKey?: string;
  readonly rateKey?: string;
  /** The limits of its definition: `concurrency` is 0 for any number. */
  readonly limits?: { readonly concurrency: number; readonly rate: Rate | null };
  readonly needs?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly preferred?: Readonly<Record<string, string>>;
  /** The tasks that had to have ended before it. */
  readonly after?: readonly TaskId[];
  /** Those that started, in order: the last 17 at most. */
  readonly attempts: readonly TraceAttempt[];
}

/** What one attempt took. */
export interface TraceAttempt {
  readonly worker: string;
  readonly startedAt: Millis;
  /** Null while it runs. */
  readonly endedAt: Millis | null;
  /** Why it ended, or "" for a success. */
  readonly code: string;
  /** When the next one might start; absent for the last. */
  readonly resumesAt?: Millis;
}

/** What a trace keeps of a task's record. */
export function traceTaskOf(record: TaskRecord): TraceTask {
  const { id, spec, priority, state, code, submittedAt, expiresAt, past = [], links } = record;
  const { name, version, queue } = spec;
  const first = past.find(({ attempt }) => attempt === 0);
  const runAt = first?.resumesAt ?? (past.length === 0 ? record.runAt : 0);
  return {
    id,
    name,
    version,
    queue,
    priority,
    state,
    ...(code === "" ? {} : { code }),
    submittedAt,
    dueAt: Math.max(submittedAt, runAt),
    ...(expiresAt === 0 ? {} : { expiresAt }),
    ...termsOf(record),
    ...askedBy(record),
    ...(links === undefined || links.after.length === 0 ? {} : { after: links.after }),
    attempts: attemptsOf(record),
  };
}

function termsOf({ terms }: TaskRecord): Partial<TraceTask> {
  if (terms === null) return {};
  const { deadline, fairnessKey, weight, affinityKey, concurrencyKey, rateKey } = terms;
  return {
    ...(deadline === 0 ? {} : { deadline }),
    ...(fairnessKey === "" ? {} : { fairnessKey }),
    ...(weight === 1 ? {} : { weight }),
    ...(affinityKey === "" ? {} : { affinityKey }),
    ...(concurrencyKey === "" ? {} : { concurrencyKey }),
    ...(rateKey === "" ? {} : { rateKey }),
  };
}

function askedBy({ spec: { limits, requirements } }: TaskRecord): Partial<TraceTask> {
  const { needs = {}, labels = {}, preferred = {} } = requirements ?? {};
  return {
    ...(limits === undefined ? {} : { limits }),
    ...(isEmpty(needs) ? {} : { needs }),
    ...(isEmpty(labels) ? {} : { labels }),
    ...(isEmpty(preferred) ? {} : { preferred }),
  };
}

function isEmpty(fields: object): boolean {
  return Object.keys(fields).length === 0;
}

function attemptsOf(record: TaskRecord): TraceAttempt[] {
  const { past = [], attempt, state, code, worker, startedAt, finishedAt } = record;
  const attempts: TraceAttempt[] = past
    .filter((one) => one.attempt > 0 && one.code !== RETURNED)
    .map((one) => ({
      worker: one.worker,
      startedAt: one.startedAt,
      // The start is by the worker's clock and the end by the dispatcher's.
      endedAt: Math.max(one.startedAt, one.endedAt),
      code: one.code,
      resumesAt: Math.max(one.startedAt, one.endedAt, one.resumesAt),
    }));
  const isPast = past.some((one) => one.attempt === attempt && one.code !== RETURNED);
  const isOver = isTerminal(state);
  if (attempt === 0 || startedAt === 0 || isPast || !(isOver || state === "running")) return attempts;
  const endedAt = isOver ? Math.max(startedAt, finishedAt) : null;
  return [...attempts, { worker, startedAt, endedAt, code: endReason(state, code) }];
}

function endReason(state: State, code: string): string {
  if (state === "succeeded" || !isTerminal(state)) return "";
  return code === "" ? state.toUpperCase() : code;
}
