import type { HeldAttempt, Note, Outcome, Register } from "../protocol/envelope.ts";
import { isTerminal, type Millis } from "../protocol/task.ts";
import { abort, forgetGhost, forgetWorker, loadChanged, restartDeadline } from "./attempts.ts";
import { answerHeartbeat } from "./demand.ts";
import type { KernelEvent } from "./event.ts";
import { adoptGhost, tokenOf } from "./ghosts.ts";
import { watchLateness } from "./lateness.ts";
import { Attempt, type LiveTask, type Worker } from "./live.ts";
import { presumeDead, takeDeathsBack } from "./presumed-deaths.ts";
import type { LossCause } from "./rules.ts";
import { endSecond, loseSecond, overtakeBySecond, secondOf, secondStarted } from "./second-attempts.ts";
import { configureAbsent } from "./settings.ts";
import type { Shard } from "./shard.ts";
import { isCancelRequested } from "./task-record.ts";
import { happen } from "./transitions.ts";

type Event<T extends KernelEvent["type"]> = Extract<KernelEvent, { type: T }>;

export function register(shard: Shard, registration: Register, now: Millis): void {
  shard.outbox.heardFrom(registration.mailbox);
  takeDeathsBack(shard, registration.worker, now);
  const worker = shard.roster.worker(registration.worker, registration.mailbox);
  worker.leaving = false;
  worker.cutOff = false;
  shard.roster.register(registration);
  hear(shard, worker, now);
  for (const attempt of shard.lostAttempts.take(worker.id)) {
    // Its frames are numbered anew, so that any inventory knows.
    attempt.frame = 0;
    adoptGhost(shard, worker, attempt);
    abort(shard, worker, attempt, "cancelled");
  }
  loadChanged(shard, worker);
  for (const queue of registration.queues) configureAbsent(shard, queue, now);
}

export function heartbeat(shard: Shard, { heartbeat, from }: Event<"heartbeatReceived">, now: Millis): void {
  shard.outbox.heardFrom(from);
  const worker = shard.roster.workers.get(heartbeat.worker);
  const isKnown = worker !== undefined && worker.group !== null;
  if (worker !== undefined) hear(shard, worker, now);
  else takeDeathsBack(shard, heartbeat.worker, now);
  if (isKnown && heartbeat.number > worker.heartbeat) {
    worker.heartbeat = heartbeat.number;
    worker.credit = heartbeat.credit;
    loadChanged(shard, worker);
  }
  answerHeartbeat(shard, from, heartbeat.number, isKnown ? worker : null);
  if (worker === undefined) shard.outbox.markDeparted(from);
}

/** Any news from a worker shows that it lives. */
function hear(shard: Shard, worker: Worker, now: Millis): void {
  worker.lastHeard = now;
  // The timer is not moved with each news: when it fires it looks at `lastHeard`.
  if (worker.silence.slot === -1) shard.timers.set(worker.silence, now + shard.limits.workerLossMs);
}

export function silenceOver(shard: Shard, worker: Worker, now: Millis): void {
  const lostAt = worker.lastHeard + shard.limits.workerLossMs;
  if (lostAt > now) shard.timers.set(worker.silence, lostAt);
  else loseWorker(shard, worker, "silent", now);
}

export function report(shard: Shard, outcome: Outcome, workerId: string, now: Millis): void {
  const worker = shard.roster.workers.get(workerId);
  if (worker !== undefined) hear(shard, worker, now);
  else takeDeathsBack(shard, workerId, now);
  const task = shard.tasks.get(outcome.id);
  if (task !== undefined && worker !== undefined && isCurrent(task, worker, outcome)) {
    if (outcome.kind === "succeeded") happen(shard, task, now, "succeeded", outcome);
    else if (outcome.kind === "returned") happen(shard, task, now, "returned", workerId);
    else happen(shard, task, now, "failed", outcome);
    return;
  }
  const second = task !== undefined && worker !== undefined ? secondOf(task, worker, outcome) : null;
  if (task !== undefined && second !== null) {
    reportSecond(shard, task, second, outcome, now);
    return;
  }
  shard.oddities.lateOutcomes++;
  if (worker !== undefined) forgetGhost(shard, worker, tokenOf(outcome.id, outcome.epoch, outcome.attempt));
  if (task !== undefined && outcome.kind === "succeeded" && !isTerminal(task.state)) {
    happen(shard, task, now, "succeededLate", { outcome, worker: workerId });
  }
}

/** Only its success counts: whatever else becomes of it, the first attempt goes on. */
function reportSecond(shard: Shard, task: LiveTask, second: Attempt, outcome: Outcome, now: Millis): void {
  if (outcome.kind !== "succeeded" || isCancelRequested(task)) {
    endSecond(shard, second, now);
    return;
  }
  overtakeBySecond(shard, task, now, outcome);
  happen(shard, task, now, "succeeded", outcome);
}

function isCurrent(
  task: LiveTask,
  worker: Worker,
  token: { readonly epoch: number; readonly attempt: number },
): boolean {
  const { last } = task;
  return (
    last !== null && last.worker === worker && last.number === token.attempt && last.epoch === token.epoch
  );
}

export function note(shard: Shard, { note, worker: workerId }: Event<"noted">, now: Millis): void {
  const worker = shard.roster.workers.get(workerId);
  if (worker === undefined) return;
  hear(shard, worker, now);
  const task = shard.tasks.get(note.id);
  if (task === undefined) return;
  const second = secondOf(task, worker, note);
  const isFirst = task.last !== null && task.last.worker === worker && task.last.number === note.attempt;
  if (second === null && !isFirst) return;
  if (note.startedAt > 0) {
    if (second !== null) secondStarted(shard, second, note.startedAt, now);
    else {
      happen(shard, task, now, "started", note.startedAt);
      if (task.last !== null) {
        task.last.hasStarted = true;
        restartDeadline(shard, task.last, now);
      }
    }
    shard.tellEvent(task, { type: "started", attempt: note.attempt, worker: workerId, at: note.startedAt });
  }
  tellNews(shard, task, note);
}

function tellNews(shard: Shard, task: LiveTask, { attempt, progress, logs }: Note): void {
  if (progress !== null) shard.tellEvent(task, { type: "progress", attempt, ...progress });
  for (const line of logs) shard.tellEvent(task, { type: "log", attempt, line });
}

/** A worker's inventory settles what became of everything that was sent to it in this epoch and restored from earlier ones. */
export function reconcile(shard: Shard, { held }: Event<"attemptsHeld">, now: Millis): void {
  const worker = shard.roster.workers.get(held.worker);
  if (worker === undefined || held.epoch !== shard.epoch) return;
  shard.outbox.heardFrom(worker.mailbox);
  hear(shard, worker, now);
  worker.cutOff = false;
  const listed = new Map<string, HeldAttempt>();
  for (const attempt of held.attempts)
    listed.set(tokenOf(attempt.id, attempt.epoch, attempt.attempt), attempt);
  const unseen: Attempt[] = [];
  for (const attempt of [...worker.held]) {
    const token = tokenOf(attempt.task.id, attempt.epoch, attempt.number);
    const there = listed.get(token);
    listed.delete(token);
    if (there !== undefined) adopt(shard, worker, attempt, there, now);
    else if (attempt.restored || attempt.frame <= held.seen) unseen.push(attempt);
  }
  // Before anything is let go: a worker that takes its leave is forgotten with the last that it has.
  for (const [token, stray] of listed) abortStray(shard, worker, token, stray, now);
  for (const [token, frame] of [...worker.ghosts]) {
    if (!listed.has(token) && frame <= held.seen) forgetGhost(shard, worker, token);
  }
  for (const attempt of unseen) neverSeen(shard, attempt, now);
  loadChanged(shard, worker);
}

function neverSeen(shard: Shard, attempt: Attempt, now: Millis): void {
  if (attempt.isSecond) endSecond(shard, attempt, now);
  else happen(shard, attempt.task, now, "returned", "");
}

function adopt(shard: Shard, worker: Worker, attempt: Attempt, there: HeldAttempt, now: Millis): void {
  if (attempt.restored) {
    attempt.restored = false;
    restartDeadline(shard, attempt, now);
    // One that has had a second one has no other.
    if (!attempt.isSecond && (attempt.task.details?.secondNumber ?? 0) === 0) watchLateness(shard, attempt);
  }
  if (there.state === "running") {
    attempt.hasStarted = true;
    if (!attempt.isSecond) happen(shard, attempt.task, now, "started", 0);
  }
  // What told it may have been lost.
  if (isCancelRequested(attempt.task)) abort(shard, worker, attempt, "cancelled");
}

/**
 * It does not count here, and fills a slot there until its outcome comes, and its task's limits where they are known.
 * One that has its outcome already is left out: that may have come before this.
 */
function abortStray(
  shard: Shard,
  worker: Worker,
  token: string,
  { id, epoch, attempt, state }: HeldAttempt,
  now: Millis,
): void {
  if (state === "finished") return;
  const task = shard.tasks.get(id);
  if (!worker.ghosts.has(token)) {
    if (task === undefined) worker.ghosts.set(token, 0);
    else adoptGhost(shard, worker, new Attempt(task, attempt, epoch, worker.id, now));
  }
  shard.outbox.tell(worker.mailbox, { type: "abort", id, epoch, attempt, reason: "cancelled" }, 0);
}

/** A worker that takes its leave is forgotten as soon as it holds nothing; until then it is watched like any other. */
export function leave(shard: Shard, id: string): void {
  const worker = shard.roster.workers.get(id);
  if (worker === undefined) return;
  worker.draining = true;
  worker.leaving = true;
  loadChanged(shard, worker);
}

/** What the engine says of a process counts only as long as nobody hears of it. */
export function reportLoss(
  shard: Shard,
  { worker: id, cause, heardAt }: Event<"workerLost">,
  now: Millis,
): void {
  const worker = shard.roster.workers.get(id);
  if (worker === undefined || (heardAt !== undefined && heardAt !== worker.lastHeard)) return;
  loseWorker(shard, worker, cause, now);
}

export function changePresence(shard: Shard, { worker: id, isAbsent }: Event<"presenceChanged">): void {
  const worker = shard.roster.workers.get(id);
  if (worker === undefined) return;
  worker.absent = isAbsent;
  loadChanged(shard, worker);
}

export function cutOff(shard: Shard, mailbox: string): void {
  for (const worker of shard.roster.workers.values()) {
    if (worker.mailbox !== mailbox) continue;
    worker.cutOff = true;
    shard.roster.loadChanged(worker);
  }
  shard.outbox.markGone(mailbox);
}

function loseWorker(shard: Shard, worker: Worker, cause: LossCause, now: Millis): void {
  worker.ghosts.clear();
  worker.draining = true;
  shard.roster.loadChanged(worker);
  if (cause === "absent") presumeDead(shard, worker);
  // A process that died does not come back.
  if (cause !== "died") shard.lostAttempts.remember(worker);
  for (const attempt of [...worker.held]) {
    if (attempt.isSecond) loseSecond(shard, attempt, cause !== "silent", now);
    else happen(shard, attempt.task, now, "lost", cause);
  }
  forgetWorker(shard, worker);
}

/** The observer was deaf: no silence and no timeout of that time counts. */
export function restartDeadlines(shard: Shard, now: Millis): void {
  for (const worker of shard.roster.workers.values()) {
    worker.lastHeard = now;
    for (const attempt of worker.held) restartDeadline(shard, attempt, now);
  }
}
