import { tickOf, tickSentence } from "./schedule.ts";
import { isTerminal, type Millis, type PastAttempt, type State, type TaskRecord } from "./task.ts";

/** What a task came to at some time. */
export interface Chapter {
  readonly at: Millis;
  readonly state: State;
  /** 0 before the first. */
  readonly attempt: number;
  /** "" where none has to do with it. */
  readonly worker: string;
  /** Why, as a code, or "" where the state says it. */
  readonly code: string;
  readonly message: string;
  /** How long it waits at least; 0 where no time is set. */
  readonly until: Millis;
}

/** The code of an attempt that was handed back. */
export const RETURNED = "RETURNED";

/**
 * What has happened to a task, in order. Most of it every record says anyway: only what a later attempt would overwrite
 * is kept beside, so that a task that succeeds at once keeps nothing for this.
 */
export function storyOf(record: TaskRecord): Chapter[] {
  const { past = [], submittedAt, finishedAt, state, attempt, worker, startedAt } = record;
  const tick = tickOf(record);
  const message = tick === null ? "" : tickSentence(tick);
  const story: Chapter[] = [{ ...chapter("submitted", submittedAt), message }];
  const isOver = isTerminal(state);
  const isPast = past.some((one) => one.attempt === attempt && one.code !== RETURNED);
  const hasLast = attempt > 0 && startedAt > 0 && !isPast && (isOver || isActive(state));
  const lastAt = hasLast ? startedAt : isOver ? finishedAt : state === "ready" ? Number.POSITIVE_INFINITY : 0;
  const starts = past.filter((one) => one.attempt > 0).map((one) => one.startedAt);
  const first = past.find((one) => one.attempt === 0);
  let hasJoined = false;
  const runAt = first?.resumesAt ?? (past.length === 0 ? record.runAt : 0);
  tellWait(story, submittedAt, runAt, starts.shift() ?? lastAt, chapter("scheduled", submittedAt));
  for (const one of past) {
    if (one.attempt === 0) continue;
    tellAttempt(story, one);
    const { endedAt, code, message } = one;
    const why = { attempt: one.attempt, code, message };
    const nextAt = starts.shift() ?? lastAt;
    // A second attempt ran beside it and took its place.
    const isJoined = nextAt > 0 && nextAt < endedAt;
    if (isJoined) story.push({ ...chapter("running", endedAt), ...why, worker: one.worker });
    else tellWait(story, endedAt, one.resumesAt, nextAt, { ...chapter("scheduled", endedAt), ...why });
    hasJoined ||= isJoined;
  }
  if (hasLast)
    story.push({
      ...chapter(state === "assigned" ? "assigned" : "running", startedAt),
      attempt,
      worker,
    });
  if (isOver) {
    const { code, error } = record;
    story.push({ ...chapter(state, finishedAt), attempt, worker, code, message: error?.message ?? "" });
  }
  return hasJoined ? story.sort((a, b) => a.at - b.at) : story;
}

/** A task waits from some time until another, and is ready then unless something happens before. */
function tellWait(story: Chapter[], at: Millis, until: Millis, nextAt: Millis, scheduled: Chapter): void {
  if (until <= at) {
    if (nextAt > 0 || scheduled.code !== "") story.push({ ...scheduled, state: "ready" });
    return;
  }
  story.push({ ...scheduled, until });
  if (nextAt >= until) story.push({ ...chapter("ready", until), attempt: scheduled.attempt });
}

function tellAttempt(story: Chapter[], { attempt, worker, startedAt, code }: PastAttempt): void {
  const state = code === RETURNED ? "assigned" : "running";
  story.push({ ...chapter(state, startedAt), attempt, worker });
}

function chapter(state: State, at: Millis): Chapter {
  return { at, state, attempt: 0, worker: "", code: "", message: "", until: 0 };
}

function isActive(state: State): boolean {
  return state === "assigned" || state === "running";
}
