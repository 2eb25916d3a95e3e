import { tickOf, tickSentence } from "./schedule.ts";
import { isTerminal, type Millis, type State, type TaskId, type TaskRecord } from "./task.ts";

/** Every answer to why a task is not running, and that it is. */
export const REASONS = [
  "running",
  "second-attempt",
  "cancelling",
  "assigned",
  "ended",
  "retry",
  "held-back",
  "delay",
  "replaceable",
  "dependencies",
  "graph-incomplete",
  "concurrency",
  "rate",
  "queue-paused",
  "queue-concurrency",
  "queue-rate",
  "no-worker",
  "unknown-name",
  "no-such-label",
  "no-such-resource",
  "no-willing-worker",
  "resources",
  "workers-busy",
  "next",
  "parked",
  "no-dispatcher",
] as const;
/** Why a task is not running. */
export type Reason = (typeof REASONS)[number];

/** Why a task is not running, or that it is. */
export interface Explanation {
  readonly id: TaskId;
  readonly state: State;
  readonly reason: Reason;
  readonly sentence: string;
  /** What the sentence says, as values; times are milliseconds, those of day since the Unix epoch. */
  readonly data: Readonly<Record<string, unknown>>;
}

export type Why = Omit<Explanation, "id" | "state">;

export function whyEnded({
  state,
  code,
  error,
}: Pick<TaskRecord, "code" | "error"> & { readonly state: State }): Why {
  const because = error === null ? "" : ` (${error.code}: ${error.message})`;
  return { reason: "ended", sentence: `The task has ended as ${state}${because}.`, data: { code, error } };
}

/** A deadline that was doubted at submission stays in sight until the task has ended. */
export function withDoubt(why: Why, deadline: Millis, now: Millis): Why {
  const inMs = deadline - now;
  const when = inMs >= 0 ? `is in ${inMs} ms` : `was ${-inMs} ms ago`;
  const sentence = `${why.sentence} Its deadline ${when}; that it can be met was doubted when it was accepted.`;
  return { ...why, sentence, data: { ...why.data, deadline, deadlineInMs: inMs, deadlineDoubtful: true } };
}

/** Where a tick of a schedule made the task, that is told too. */
export function withTick(why: Why, of: Pick<TaskRecord, "key" | "replyTo">): Why {
  const tick = tickOf(of);
  if (tick === null) return why;
  return { ...why, sentence: `${why.sentence} ${tickSentence(tick)}`, data: { ...why.data, ...tick } };
}

/** What a record says that no dispatcher has in memory. */
export function explainRecord(record: TaskRecord): Explanation {
  const { id, state, spec } = record;
  if (isTerminal(state)) return { id, state, ...withTick(whyEnded(record), record) };
  const sentence = `The dispatcher's memory is full: the task waits in the store until there is room, with others of queue ${spec.queue}.`;
  const why: Why = { reason: "parked", sentence, data: { queue: spec.queue } };
  return { id, state, ...withTick(why, record) };
}

/** Nobody answers for the shard; `state` is the store's, or `submitted` where it does not know the task. */
export function explainSilence(id: TaskId, shard: number, state: State): Explanation {
  const where = state === "submitted" ? " What was submitted waits in the shard's lane." : "";
  const sentence = `No dispatcher answers for shard ${shard}: nothing of it starts until one does.${where}`;
  return { id, state, reason: "no-dispatcher", sentence, data: { shard } };
}
