import type { StoredItem, StoredTask } from "../protocol/change.ts";
import { workerMailbox } from "../protocol/mailbox.ts";
import {
  CONTACT_MS,
  INLINE_BYTES,
  isTerminal,
  type Millis,
  type TaskId,
  type TaskRecord,
} from "../protocol/task.ts";
import { hold, SECOND_ROW } from "./attempts.ts";
import { dependenciesRestored } from "./dependencies.ts";
import { GHOST_ROW, restoreGhost } from "./ghosts.ts";
import { EDGE_ROW, GRAPH_ROW, readGraph } from "./graph-rows.ts";
import { DURATION_ROW, QUEUE_RATE_ROW, RATE_ROW } from "./journal.ts";
import { watchQueueRate } from "./limits.ts";
import { Attempt, LiveTask, type Pace, type Worker } from "./live.ts";
import { isStored } from "./queues.ts";
import { SCHEDULE_ROW, SCHEDULE_STATE_ROW } from "./schedule.ts";
import { restoreSchedule, schedulesRestored } from "./schedule-orders.ts";
import { restoreSecond, secondsRestored } from "./second-attempts.ts";
import { DEFAULT_ORDER_ROW, UNDECLARED_MARK } from "./settings.ts";
import { keepUntil } from "./settle.ts";
import { type Shard, SWEEP_EVERY_MS } from "./shard.ts";
import { detailsOf } from "./task-record.ts";
import { count, wait } from "./waiting.ts";

/** Takes in one row of the store before anything else happens. */
export function restore(shard: Shard, item: StoredItem, now: Millis): void {
  switch (item.type) {
    case "task":
      restoreTask(shard, item, now);
      return;
    case "queue": {
      const queue = shard.queues.get(item.queue.name);
      queue.declared = true;
      shard.queues.configure(queue, item.queue);
      const mark = shard.loadedDefaults.get(item.queue.name);
      if (mark !== undefined) restoreDefaultOrder(shard, item.queue.name, mark);
      return;
    }
    case "row":
      restoreRow(shard, item);
      return;
    case "tombstone":
      shard.tombstones.set(item.id, item.keepUntil);
      return;
    case "parked":
      shard.parking.total = item.count;
      shard.parking.isBlind = item.count > 0;
      return;
  }
}

/** A row of another kind is of a newer version: kept in the store, and without meaning here. */
function restoreRow(shard: Shard, { kind, key, value }: Extract<StoredItem, { type: "row" }>): void {
  if (kind === SCHEDULE_ROW) restoreSchedule(shard, value);
  if (kind === SCHEDULE_STATE_ROW) shard.schedules.loaded.set(key, value);
  if (kind === EDGE_ROW) shard.links.restoreRow(key, value);
  if (kind === GRAPH_ROW) shard.links.graphs.set(key, readGraph(key, value));
  if (kind === SECOND_ROW) shard.loadedSeconds.set(key, value);
  if (kind === GHOST_ROW) restoreGhost(shard, key, value, (id) => workerOf(shard, id));
  if (kind === DEFAULT_ORDER_ROW) restoreDefaultOrder(shard, key, value);
  if (RULED_ROWS.has(kind)) return;
  const [number = Number.NaN, count = Number.NaN] = value.split(" ").map(Number);
  if (!(number > 0)) return;
  if (kind === RATE_ROW) paceOfRow(shard, key).nextAt = number;
  else if (kind === QUEUE_RATE_ROW) shard.queues.get(key).pace.nextAt = number;
  else if (kind === DURATION_ROW && count > 0) {
    const [name = "", version = ""] = key.split("\n");
    const skill = shard.roster.skill(name, Number(version));
    skill.expectedMs = number;
    skill.storedMs = number;
    skill.known = count;
  }
}

const RULED_ROWS: ReadonlySet<string> = new Set([
  SCHEDULE_ROW,
  SCHEDULE_STATE_ROW,
  EDGE_ROW,
  GRAPH_ROW,
  SECOND_ROW,
  GHOST_ROW,
  DEFAULT_ORDER_ROW,
]);

/** Before or after its queue. */
function restoreDefaultOrder(shard: Shard, name: string, mark: string): void {
  shard.loadedDefaults.set(name, mark);
  const queue = shard.queues.get(name);
  if (!isStored(queue)) return;
  queue.declared = mark !== UNDECLARED_MARK;
  shard.queues.configure(queue, { ...queue.record, orderByDefault: true });
}

function paceOfRow(shard: Shard, key: string): Pace {
  const end = key.indexOf("\n");
  return shard.gates.pace(key.slice(0, end), key.slice(end + 1));
}

/** All is loaded: whoever holds a task of an earlier owner is asked what became of it. */
export function restored(shard: Shard, now: Millis): void {
  for (const worker of shard.roster.workers.values()) {
    worker.lastHeard = now;
    shard.timers.set(worker.silence, now + shard.limits.workerLossMs);
    shard.outbox.tell(worker.mailbox, { type: "takeover" }, 0);
  }
  for (const queue of shard.queues.all) watchQueueRate(shard, queue, now);
  schedulesRestored(shard);
  secondsRestored(shard);
  shard.loadedDefaults.clear();
  dependenciesRestored(shard, now);
  shard.timers.set(shard.sweep, now + SWEEP_EVERY_MS);
}

/** Parked tasks come back into memory. A page shorter than was wanted is the last. */
export function page(shard: Shard, tasks: readonly StoredTask[], now: Millis): void {
  const { parking } = shard;
  const isLast = parking.isLastPage(tasks.length);
  let reachesFuture = false;
  for (const stored of tasks) {
    const { task } = stored;
    if (task.runAt > now) reachesFuture = true;
    if (shard.tasks.has(task.id) || shard.journal.row(task.id) !== null || isTerminal(task.state)) continue;
    parking.unparked(shard.queues.get(task.spec.queue), task.state !== "scheduled");
    const live = revive(shard, stored, now);
    shard.catalogue.remove(task.id);
    shard.journal.begin(live, "update");
    wait(shard, live, now);
  }
  // The store hands out what is due first: once it hands out the future, nothing that is ready is left there.
  if (isLast || reachesFuture) forgetParked(shard, isLast);
}

/** Only what this very tick parks may be missing in the page. */
function forgetParked(shard: Shard, isLast: boolean): void {
  const { parking } = shard;
  parking.isBlind = false;
  for (const queue of shard.queues.all) queue.parked = 0;
  const parkedNow = shard.journal.touched.filter((task) => task.mark === "park");
  for (const task of parkedNow) if (task.state === "ready") task.kind.line.queue.parked++;
  if (isLast) parking.total = parkedNow.length;
}

/** What the store has finished or parked, from `before` down to `last`, or to the end where that is null. */
export function catalogue(
  shard: Shard,
  records: readonly TaskRecord[],
  before: TaskId,
  last: TaskId | null,
): void {
  // It was let go, or is full, since that look began.
  if (shard.catalogue.unwalked !== before) return;
  for (const { id, aliasOf, spec, state, submittedAt, finishedAt } of records) {
    if (aliasOf !== "" || shard.tasks.has(id)) continue;
    const until = isTerminal(state) ? keepUntil(shard, state, spec, finishedAt) : 0;
    shard.catalogue.addFound({ id, spec, state, submittedAt }, until);
  }
  shard.catalogue.walkedTo(last);
}

function restoreTask(shard: Shard, stored: StoredTask, now: Millis): void {
  const { task: record } = stored;
  if (record.aliasOf !== "" || isTerminal(record.state) || shard.tasks.has(record.id)) return;
  const task = revive(shard, stored, now);
  shard.links.graphs.get(record.links?.graph ?? "")?.open.add(task);
  if (record.state === "assigned" || record.state === "running") {
    restoreAttempt(shard, task, record, now);
  } else {
    shard.replaceable.waits(task);
    wait(shard, task, now);
  }
  if (shard.loadedSeconds.size > 0) restoreSecond(shard, task, (id) => workerOf(shard, id), now);
}

function restoreAttempt(shard: Shard, task: LiveTask, record: TaskRecord, now: Millis): void {
  count(shard, task);
  task.state = "assigned";
  const attempt = pastAttempt(task, record);
  attempt.restored = true;
  attempt.inherited = true;
  hold(shard, workerOf(shard, record.worker), attempt, now);
}

function workerOf({ roster }: Shard, id: string): Worker {
  return roster.worker(id, workerMailbox(id));
}

function revive(shard: Shard, { task: record, payload }: StoredTask, now: Millis): LiveTask {
  const kept = payload !== null && payload.length <= INLINE_BYTES ? payload : null;
  const task = new LiveTask(shard.kindOf(record.spec), record, kept, shard.momentOf(record.submittedAt));
  const { state, cancelRequested } = record;
  task.state = state === "scheduled" || state === "blocked" ? state : "ready";
  // Put in line by an earlier release, which knows of no cancel that is held back.
  if (cancelRequested && state === "ready") task.state = "scheduled";
  task.attempt = record.attempt;
  if (isRich(record) || mayStartElsewhere(record) || kept === null) reviveDetails(task, record, now);
  if (record.attempt > 0) task.last = pastAttempt(task, record);
  shard.add(task);
  return task;
}

function isRich(record: TaskRecord): boolean {
  const { runAt, expiresAt, deaths, retryOf, key, cancelRequested, code, error, past, links, skipped } =
    record;
  const isMarked =
    cancelRequested || error !== null || past !== undefined || links !== undefined || skipped !== undefined;
  return runAt + expiresAt + deaths > 0 || retryOf + key + code !== "" || isMarked;
}

/**
 * The earlier owner may have lost the worker of an attempt a moment ago, and have taken its death back since: then
 * nothing else tells of it.
 */
function mayStartElsewhere({ state, attempt }: TaskRecord): boolean {
  const isHeld = state === "assigned" || state === "running";
  return attempt > (isHeld ? 1 : 0);
}

function reviveDetails(task: LiveTask, record: TaskRecord, now: Millis): void {
  const details = detailsOf(task);
  details.runAt = record.runAt;
  details.expiresAt = record.expiresAt;
  details.deaths = record.deaths;
  details.retryOf = record.retryOf;
  details.key = record.key;
  details.cancelRequested = record.cancelRequested;
  details.code = record.code;
  details.error = record.error;
  details.past = record.past ?? details.past;
  details.links = record.links ?? null;
  details.skipped = record.skipped ?? 0;
  details.payloadBytes = record.payloadBytes;
  if (mayStartElsewhere(record)) details.mayStartUntil = now + CONTACT_MS;
  // That owner's clock may have been another one.
  if (record.cancelRequested && task.state === "scheduled") details.runAt = details.mayStartUntil;
}

function pastAttempt(task: LiveTask, record: TaskRecord): Attempt {
  return new Attempt(task, record.attempt, record.epoch, record.worker, record.startedAt);
}
