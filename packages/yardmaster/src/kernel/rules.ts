import type { Outcome } from "../protocol/envelope.ts";
import { RETURNED } from "../protocol/story.ts";
import type { Millis, State, TaskError } from "../protocol/task.ts";
import { abandon, abort, assignTo, putOffTimeout, release, usedMs } from "./attempts.ts";
import { backoffMs } from "./backoff.ts";
import { Attempt, type LiveTask, type Worker } from "./live.ts";
import { superseded } from "./replaceable.ts";
import { replaceBySecond } from "./second-attempts.ts";
import { detach, succeed as finish, stop } from "./settle.ts";
import type { Shard } from "./shard.ts";
import { detailsOf, isCancelRequested, keptBytesOf, rememberAttempt } from "./task-record.ts";
import { count, joinLine, setTimer, stopBlocking, wait } from "./waiting.ts";

/** What can happen to a task, with what must be known about it. */
export interface TaskEvents {
  accepted: null;
  /** All that it waited for has ended, and its graph is complete. */
  unblocked: null;
  /** One that it waits for has ended in a way that its rule does not take, or cannot come. */
  orphaned: TaskError;
  refused: TaskError;
  due: null;
  placed: Worker;
  /** When, by the worker's clock; 0 when it only says that it runs. */
  started: Millis;
  succeeded: Outcome;
  /** Any other end of the current attempt that its worker reports. */
  failed: Outcome;
  /** Never started there. The worker that says so, or "" when it never saw it. */
  returned: string;
  lost: LossCause;
  timedOut: null;
  cancelled: TaskError;
  expired: null;
  /** A success of an attempt that is not the current one. */
  succeededLate: { readonly outcome: Outcome; readonly worker: string };
}
export type TaskEventType = keyof TaskEvents;

/**
 * `died` is proven. `absent` is a process that its engine lost sight of and that nobody heard since: it counts as dead
 * until it is heard again. Silence alone never counts towards quarantine.
 */
export type LossCause = "died" | "absent" | "silent";

type Run<E extends TaskEventType> = (shard: Shard, task: LiveTask, now: Millis, fact: TaskEvents[E]) => void;

/** What happens to a task in some state on some event. `leadsTo` names every state that it can have afterwards, or the same. */
export interface Rule<E extends TaskEventType> {
  readonly name: string;
  readonly leadsTo: readonly (State | "same")[];
  readonly says: string;
  readonly run: Run<E>;
}

export const admit: Rule<"accepted"> = {
  name: "admit",
  leadsTo: ["blocked", "scheduled", "ready"],
  says: "The task waits for others, until it is due, or at once in its line; in the store when memory is full.",
  run(shard, task, now) {
    if (shard.links.isBlocked(task)) {
      task.state = "blocked";
      shard.journal.begin(task, "insert");
      wait(shard, task, now);
      return;
    }
    const { queue } = task.kind.line;
    const runAt = task.details === null ? 0 : task.details.runAt;
    const [live, bytes] = [shard.live - 1, shard.bytes];
    task.state = runAt > now ? "scheduled" : "ready";
    const mayPark = task.terms?.replace === undefined;
    const isFull =
      task.state === "ready"
        ? shard.parking.shouldParkReady(queue, live, bytes)
        : shard.parking.shouldParkScheduled(runAt - now, live, bytes);
    const parks = mayPark && isFull;
    shard.journal.begin(task, parks ? "park" : "insert");
    if (parks) shard.parking.parked(queue, task.state === "ready");
    else wait(shard, task, now);
  },
};

export const unblock: Rule<"unblocked"> = {
  name: "unblock",
  leadsTo: ["scheduled", "ready"],
  says: "The task waits until it is due, or at once in its line. Only memory and the rows of what it waited for learn it.",
  run(shard, task, now) {
    stopBlocking(shard, task);
    task.state = task.details !== null && task.details.runAt > now ? "scheduled" : "ready";
    shard.bytes += keptBytesOf(task);
    if (task.state === "scheduled") setTimer(shard, task);
    else joinLine(shard, task, now, false);
  },
};

export const giveUp: Rule<"orphaned"> = {
  name: "giveUp",
  leadsTo: ["failed", "cancelled"],
  says: "The task ends as its rule for failed dependencies says.",
  run(shard, task, now, error) {
    stop(shard, task, now, error.code === "SKIPPED" ? "cancelled" : "failed", error);
  },
};

export const refuse: Rule<"refused"> = {
  name: "refuse",
  leadsTo: ["failed"],
  says: "The task fails without having waited.",
  run(shard, task, now, error) {
    shard.journal.begin(task, "insert");
    count(shard, task);
    stop(shard, task, now, "failed", error);
  },
};

export const buryEarly: Rule<"cancelled"> = {
  name: "buryEarly",
  leadsTo: ["cancelled"],
  says: "Its cancel, or that of its graph, came first: the task ends before it waits.",
  run(shard, task, now, error) {
    const isStored = shard.tombstones.delete(task.id) && !shard.journal.dropTombstone(task.id);
    shard.journal.begin(task, isStored ? "adopt" : "insert");
    count(shard, task);
    stop(shard, task, now, "cancelled", error);
  },
};

export const enqueue: Rule<"due"> = {
  name: "enqueue",
  leadsTo: ["ready", "failed", "cancelled", "same"],
  says: "The task joins the end of its line, unless it was held back for the deaths of its workers: they are certain now, or its attempts are used up. One that a cancel waits for ends.",
  run(shard, task, now) {
    const { deaths, error, cancelRequested } = detailsOf(task);
    if (cancelRequested) return endCancelled(shard, task, now);
    if (deaths >= shard.limits.quarantineDeaths)
      return stop(shard, task, now, "failed", quarantineError(deaths));
    if (task.attempt > 0 && isSpent(task))
      return stop(shard, task, now, "failed", error ?? lossError(task, "absent"));
    task.state = "ready";
    shard.journal.changed(task);
    joinLine(shard, task, now, false);
  },
};

export const assign: Rule<"placed"> = {
  name: "assign",
  leadsTo: ["assigned"],
  says: "The next attempt goes to a worker with free credit.",
  run(shard, task, now, worker) {
    if (task.details !== null) shard.timers.clear(task.details);
    if (task.attempt === 0) task.kind.line.queue.tally.started(now - task.since);
    task.state = "assigned";
    if (task.terms !== null) shard.replaceable.gone(task);
    shard.journal.changed(task);
    assignTo(shard, task, worker, now);
  },
};

export const start: Rule<"started"> = {
  name: "start",
  leadsTo: ["running"],
  says: "The worker says that it runs. Only memory learns it: a record is not worth a commit for this.",
  run(_shard, task, _now, startedAt) {
    task.state = "running";
    if (task.last !== null && startedAt > 0) task.last.startedAt = startedAt;
  },
};

export const succeed: Rule<"succeeded"> = {
  name: "succeed",
  leadsTo: ["succeeded", "cancelled", "scheduled", "same"],
  says: "The result is kept; after a cancel was recorded, it is ignored, and a second attempt may have to end too.",
  run(shard, task, now, outcome) {
    learn(task, outcome, now);
    if (isCancelRequested(task)) cancelAttempt(shard, task, now);
    else finish(shard, task, now, outcome.result);
  },
};

export const succeedLate: Rule<"succeededLate"> = {
  name: "succeedLate",
  leadsTo: ["succeeded", "same"],
  says: "An older attempt, or one that the engine has lost, has succeeded after all: its result is kept; after a cancel was recorded, it is ignored.",
  run: succeedByAnother,
};

export const overtake: Rule<"succeededLate"> = {
  name: "overtake",
  leadsTo: ["same", "succeeded"],
  says: "An older attempt has succeeded after all: its result is kept and the current attempt is aborted; after a cancel was recorded, it is ignored.",
  run: succeedByAnother,
};

export const retry: Rule<"failed"> = {
  name: "retry",
  leadsTo: ["scheduled", "failed", "cancelled", "expired", "same"],
  says: "The task is tried again after its backoff, unless its attempts are used up, its worker rules it out, or a second attempt takes its place.",
  run(shard, task, now, outcome) {
    learn(task, outcome, now);
    const error = outcome.error ?? {
      code: "HANDLER_FAILED",
      message: "The attempt failed without a reason.",
      stack: "",
    };
    if (outcome.kind === "cancelled" || isCancelRequested(task)) cancelAttempt(shard, task, now);
    else if (error.code === "TASK_EXPIRED") stop(shard, task, now, "expired", error);
    else if (outcome.kind === "final") stop(shard, task, now, "failed", error);
    else {
      const delayMs = outcome.kind === "retryIn" ? outcome.delayMs : null;
      if (replaceBySecond(shard, task, now, error, true)) putOffStandIn(shard, task, now, delayMs);
      else tryAgain(shard, task, now, error, delayMs);
    }
  },
};

export const giveBack: Rule<"returned"> = {
  name: "giveBack",
  leadsTo: ["ready", "scheduled", "cancelled", "expired", "failed", "same"],
  says: "The attempt never began and does not count: the task takes its old place in its line, unless another has taken its place under its key before it was ever tried, or a second attempt goes on. Where it stood in for one that failed, that one counts, and so does its backoff.",
  run(shard, task, now, worker) {
    if (task.last !== null) release(shard, task.last, 0);
    if (replaceBySecond(shard, task, now, { ...returnOf(task, worker), stack: "" }, false)) return;
    if (task.last?.standsIn === true) {
      giveUpStandIn(shard, task, now);
      return;
    }
    rememberAttempt(task, now, now, returnOf(task, worker));
    // A number that was skipped is skipped again, unless nobody ever saw it.
    task.attempt--;
    if (worker === "" && task.last?.skipped === true) {
      task.attempt--;
      detailsOf(task).skipped--;
    }
    if (isCancelRequested(task)) endCancelled(shard, task, now);
    else if (isOver(task, now)) stop(shard, task, now, "expired", EXPIRED);
    else if (usedAttempts(task) === 0 && shard.replaceable.isReplaced(task))
      stop(shard, task, now, "cancelled", superseded("Another task"));
    else {
      shard.replaceable.waits(task);
      if (worker !== "") noteReturn(task, worker);
      backToLine(shard, task, now);
    }
  },
};

export const lose: Rule<"lost"> = {
  name: "lose",
  leadsTo: ["ready", "scheduled", "failed", "cancelled", "same"],
  says: "The attempt counts. A second one takes its place. Otherwise the task takes its old place in its line, unless its attempts are used up, it runs at most once, or too many processes died of it: where that is not certain, it is held back until it is.",
  run(shard, task, now, cause) {
    const details = detailsOf(task);
    if (cause !== "silent") details.deaths++;
    const error = lossError(task, cause);
    if (task.last !== null) release(shard, task.last, usedMs(task.last, now));
    if (replaceBySecond(shard, task, now, error, true)) return;
    if (details.cancelRequested) endCancelled(shard, task, now);
    else if (details.deaths >= shard.limits.quarantineDeaths && cause === "absent")
      holdBack(shard, task, now, error, now);
    else if (details.deaths >= shard.limits.quarantineDeaths)
      stop(shard, task, now, "failed", quarantineError(details.deaths));
    else if (isSpent(task)) stop(shard, task, now, "failed", error);
    else {
      rememberAttempt(task, now, now, error);
      details.error = error;
      details.expiresAt = 0;
      shard.tellEvent(task, { type: "retried", attempt: task.attempt, runAt: now, error });
      backToLine(shard, task, now);
    }
  },
};

export const timeOut: Rule<"timedOut"> = {
  name: "timeOut",
  leadsTo: ["scheduled", "failed", "cancelled", "same"],
  says: "The worker did not end the attempt in time: it is aborted and counts as failed, or a second one takes its place.",
  run(shard, task, now) {
    if (task.last !== null && putOffTimeout(shard, task.last, now)) return;
    if (task.last !== null) abandon(shard, task.last, "timedOut", now);
    if (replaceBySecond(shard, task, now, TIMED_OUT, true)) putOffStandIn(shard, task, now, null);
    else if (isCancelRequested(task)) endCancelled(shard, task, now);
    else tryAgain(shard, task, now, TIMED_OUT, null);
  },
};

export const cancel: Rule<"cancelled"> = {
  name: "cancel",
  leadsTo: ["cancelled", "scheduled", "same"],
  says: "The task ends at once, unless a lost worker may still start it: then as soon as that cannot be.",
  run(shard, task, now, error) {
    if (!isCancelRequested(task)) endCancelled(shard, task, now, error);
  },
};

export const askToEnd: Rule<"cancelled"> = {
  name: "askToEnd",
  leadsTo: ["same"],
  says: "The cancel is recorded and the worker told; the task ends when the worker answers or is lost.",
  run(shard, task, _now, error) {
    const details = detailsOf(task);
    if (details.cancelRequested) return;
    details.cancelRequested = true;
    details.error = error;
    shard.journal.changed(task);
    for (const attempt of [task.last, details.second])
      if (attempt !== null && attempt.worker !== null) abort(shard, attempt.worker, attempt, "cancelled");
  },
};

export const expire: Rule<"expired"> = {
  name: "expire",
  leadsTo: ["expired"],
  says: "The task did not start in time.",
  run(shard, task, now) {
    stop(shard, task, now, "expired", EXPIRED);
  },
};

export const ignore: Rule<TaskEventType> = {
  name: "ignore",
  leadsTo: ["same"],
  says: "Nothing: it is known already.",
  run: () => undefined,
};

const EXPIRED: TaskError = {
  code: "TASK_EXPIRED",
  message: "The task could not start before its time was over.",
  stack: "",
};
const TIMED_OUT: TaskError = { code: "TIMED_OUT", message: "The attempt ran over its timeout.", stack: "" };
const CANCELLED: TaskError = { code: "TASK_CANCELLED", message: "The task was cancelled.", stack: "" };

/** Another attempt than the last one has succeeded. */
function succeedByAnother(
  shard: Shard,
  task: LiveTask,
  now: Millis,
  { outcome, worker }: TaskEvents["succeededLate"],
): void {
  if (isCancelRequested(task)) return;
  if (task.last !== null) abandon(shard, task.last, "cancelled", now);
  task.attempt = outcome.attempt;
  task.last = new Attempt(task, outcome.attempt, outcome.epoch, worker, outcome.startedAt);
  finish(shard, task, now, outcome.result);
}

function tryAgain(shard: Shard, task: LiveTask, now: Millis, error: TaskError, delayMs: Millis | null): void {
  if (task.last !== null) release(shard, task.last, usedMs(task.last, now));
  if (isSpent(task)) {
    stop(shard, task, now, "failed", error);
    return;
  }
  task.kind.line.queue.tally.retried++;
  const { deaths } = detailsOf(task);
  const dueAt = dueAfter(shard, task, now, delayMs);
  if (deaths >= shard.limits.quarantineDeaths) holdBack(shard, task, now, error, dueAt);
  else schedule(shard, task, now, error, dueAt);
}

function dueAfter(shard: Shard, task: LiveTask, now: Millis, delayMs: Millis | null): Millis {
  return now + (delayMs ?? backoffMs(task.kind.spec.backoff, task.attempt, shard.random));
}

/** Its workers may only have been out of sight: whoever is not heard within the limit of silence is dead. */
function holdBack(shard: Shard, task: LiveTask, now: Millis, error: TaskError, dueAt: Millis): void {
  detailsOf(task).unheldAt = dueAt;
  schedule(shard, task, now, error, Math.max(dueAt, now + shard.limits.workerLossMs));
}

function schedule(shard: Shard, task: LiveTask, now: Millis, error: TaskError, runAt: Millis): void {
  const details = detailsOf(task);
  rememberAttempt(task, now, runAt, error);
  details.runAt = runAt;
  details.error = error;
  // It has started in time once.
  details.expiresAt = 0;
  task.state = "scheduled";
  shard.journal.changed(task);
  setTimer(shard, task);
  shard.tellEvent(task, { type: "retried", attempt: task.attempt, runAt: details.runAt, error });
}

function backToLine(shard: Shard, task: LiveTask, now: Millis): void {
  task.state = "ready";
  shard.journal.changed(task);
  joinLine(shard, task, now, true);
}

/** An attempt of a task that is to end is over; one beside it may still run. */
function cancelAttempt(shard: Shard, task: LiveTask, now: Millis): void {
  if (!isCancelRequested(task) || !replaceBySecond(shard, task, now, CANCELLED, true))
    endCancelled(shard, task, now);
}

/** The one that it stood in for has used up a try. */
function giveUpStandIn(shard: Shard, task: LiveTask, now: Millis): void {
  const details = detailsOf(task);
  const error = details.error ?? lossError(task, "silent");
  const retryAt = task.last === null ? 0 : task.last.retryAt;
  const isHeldBack = details.deaths >= shard.limits.quarantineDeaths;
  if (details.cancelRequested) endCancelled(shard, task, now);
  else if (isHeldBack || retryAt > now) tryAgain(shard, task, now, error, Math.max(0, retryAt - now));
  else if (isSpent(task)) stop(shard, task, now, "failed", error);
  else {
    rememberAttempt(task, now, now, error);
    shard.tellEvent(task, { type: "retried", attempt: task.attempt, runAt: now, error });
    backToLine(shard, task, now);
  }
}

/** Where it never begins, the task waits as it would have without it. */
function putOffStandIn(shard: Shard, task: LiveTask, now: Millis, delayMs: Millis | null): void {
  if (task.last !== null) task.last.retryAt = dueAfter(shard, task, now, delayMs);
}

/** Not while a lost worker may still start it: whoever cancels a task is promised that it starts no more. */
function endCancelled(
  shard: Shard,
  task: LiveTask,
  now: Millis,
  error: TaskError = task.details?.error ?? CANCELLED,
): void {
  const details = detailsOf(task);
  if (details.mayStartUntil <= now) {
    stop(shard, task, now, "cancelled", error);
    return;
  }
  detach(shard, task, now);
  details.cancelRequested = true;
  details.error = error;
  details.runAt = details.mayStartUntil;
  // It has started in time once.
  details.expiresAt = 0;
  task.state = "scheduled";
  shard.journal.changed(task);
  setTimer(shard, task);
}

/** A number that was left out was no attempt. */
function usedAttempts(task: LiveTask): number {
  return task.details === null ? task.attempt : task.attempt - task.details.skipped;
}

function isSpent(task: LiveTask): boolean {
  return task.kind.spec.delivery === "at-most-once" || usedAttempts(task) >= task.kind.spec.attempts;
}

function isOver(task: LiveTask, now: Millis): boolean {
  return task.details !== null && task.details.expiresAt > 0 && task.details.expiresAt <= now;
}

function learn(task: LiveTask, outcome: Outcome, now: Millis): void {
  if (task.last === null) return;
  if (outcome.startedAt > 0) task.last.startedAt = outcome.startedAt;
  // An earlier owner's note of the start may be by its worker's clock.
  if (!task.last.inherited) task.kind.line.skill.learn(usedMs(task.last, now));
}

function returnOf(task: LiveTask, worker: string): Pick<TaskError, "code" | "message"> {
  const message = worker === "" ? "never saw it" : "handed it back before it began";
  return { code: RETURNED, message: `Worker ${task.last?.workerId ?? ""} ${message}.` };
}

function noteReturn(task: LiveTask, worker: string): void {
  const details = detailsOf(task);
  details.returnedBy = details.returnedBy === "" || details.returnedBy === worker ? worker : "*";
}

function lossError(task: LiveTask, cause: LossCause): TaskError {
  const how = { died: "died", absent: "is gone", silent: "fell silent" }[cause];
  return {
    code: "WORKER_LOST",
    message: `Worker ${task.last?.workerId ?? ""} ${how} during attempt ${task.attempt}.`,
    stack: "",
  };
}

function quarantineError(deaths: number): TaskError {
  return {
    code: "QUARANTINED",
    message: `${deaths} worker processes died while they had this task.`,
    stack: "",
  };
}
