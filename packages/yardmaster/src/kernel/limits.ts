import type { Millis } from "../protocol/task.ts";
import { opensAt, take } from "./gates.ts";
import type { Attempt, Gate, Kind, Line, LiveTask, Pace, Places, Queue, Rooms } from "./live.ts";
import type { Ordering } from "./ordering.ts";
import { ORDERINGS } from "./orderings.ts";
import type { Shard } from "./shard.ts";

/** Where a task's definition limits how many run; null where it does not. */
export function placesOf(shard: Shard, { kind, terms }: LiveTask): Places | null {
  const { name, limits } = kind.spec;
  if (limits === undefined || limits.concurrency === 0) return null;
  return shard.gates.places(name, terms === null ? "" : terms.concurrencyKey);
}

/** Where a task's definition limits how often they start; null where it does not. */
export function paceOf(shard: Shard, { kind, terms }: LiveTask): Pace | null {
  const { name, limits } = kind.spec;
  if (limits === undefined || limits.rate === null) return null;
  return shard.gates.pace(name, terms === null ? "" : terms.rateKey);
}

/** The gate that keeps a task from starting now; null when it may. */
export function closedGate(shard: Shard, task: LiveTask, now: Millis): Gate | null {
  const places = placesOf(shard, task);
  if (places !== null && isFull(places, task)) return places;
  const pace = paceOf(shard, task);
  return pace !== null && paceOpensAt(pace, task, now) > now ? pace : null;
}

function isFull(places: Places, task: LiveTask): boolean {
  const { limits } = task.kind.spec;
  return limits !== undefined && limits.concurrency > 0 && places.holders.size >= limits.concurrency;
}

function paceOpensAt(pace: Pace, task: LiveTask, now: Millis): Millis {
  const rate = task.kind.spec.limits?.rate ?? null;
  return rate === null ? 0 : opensAt(pace, rate, now);
}

/** The line's first task that no limit keeps from starting; those before it go and wait where their limits are. */
export function firstAllowed(shard: Shard, { ordering }: Line, now: Millis): LiveTask | undefined {
  for (;;) {
    const head = ordering.peek();
    if (head === undefined || head.kind.spec.limits === undefined) return head;
    const gate = closedGate(shard, head, now);
    if (gate === null) return head;
    holdBack(shard, head, gate, now);
  }
}

/** Takes a ready task out of its line until its gate lets it in: while it waits there, it costs nothing. */
function holdBack(shard: Shard, task: LiveTask, gate: Gate, now: Millis): void {
  shard.queues.remove(task);
  enterRoom(shard, task, gate, now);
  // Another gate had let it in: somebody else may use that.
  for (const other of [placesOf(shard, task), paceOf(shard, task)])
    if (other !== null && other !== gate) letNextIn(shard, other, now);
}

/** A ready task that is in no line waits for its gate. */
export function enterRoom(shard: Shard, task: LiveTask, gate: Gate, now: Millis): void {
  gate.waiting ??= new Map();
  roomOf(gate.waiting, task.kind).push(task);
  task.gate = gate;
  task.kind.line.queue.limited++;
  if (gate.limits === "rate") wakeAtOpening(shard, gate, now);
}

function roomOf(rooms: Rooms, kind: Kind): Ordering<LiveTask> {
  let room = rooms.get(kind);
  if (room === undefined) {
    const { queue } = kind.line;
    const { order } = queue.record;
    // All who wait here are of one key: among them fairness means first come, first served.
    room = ORDERINGS[order === "fair" ? "fifo" : order].create<LiveTask>(queue);
    rooms.set(kind, room);
  }
  return room;
}

function leaveRoom(task: LiveTask, gate: Gate): void {
  const room = gate.waiting?.get(task.kind);
  room?.remove(task);
  if (room?.size === 0) gate.waiting?.delete(task.kind);
  if (gate.waiting?.size === 0) gate.waiting = null;
  task.gate = null;
  task.kind.line.queue.limited--;
}

/** How many tasks a gate keeps waiting. */
export function countWaiting({ waiting }: Gate): number {
  let count = 0;
  for (const room of waiting?.values() ?? []) count += room.size;
  return count;
}

/**
 * Whenever a gate has opened, or somebody whom it had let in went away without starting, the next one of each kind goes
 * back to its old place in its line. So few come back for each that leaves, and a gate that is open for a kind has
 * somebody of it in a line.
 */
function letNextIn(shard: Shard, gate: Gate, now: Millis): void {
  if (gate.limits === "concurrency") fillPlaces(shard, gate);
  else keepPace(shard, gate, now);
}

function fillPlaces(shard: Shard, places: Places): void {
  if (places.waiting === null) return;
  for (const room of places.waiting.values()) {
    const next = room.peek();
    if (next !== undefined && !isFull(places, next)) letIn(shard, next, places);
  }
}

function keepPace(shard: Shard, pace: Pace, now: Millis): void {
  if (pace.waiting === null) return;
  for (const room of pace.waiting.values()) {
    const next = room.peek();
    if (next !== undefined && paceOpensAt(pace, next, now) <= now) letIn(shard, next, pace);
  }
  wakeAtOpening(shard, pace, now);
}

function letIn(shard: Shard, task: LiveTask, gate: Gate): void {
  leaveRoom(task, gate);
  shard.queues.push(task);
}

/** Where the rate is open already, the one that was let in brings the next. */
function wakeAtOpening(shard: Shard, pace: Pace, now: Millis): void {
  let first = Number.POSITIVE_INFINITY;
  for (const room of pace.waiting?.values() ?? []) {
    const next = room.peek();
    const at = next === undefined ? now : paceOpensAt(pace, next, now);
    if (at > now) first = Math.min(first, Math.ceil(at));
  }
  const isSooner = pace.slot === -1 || first < pace.dueAt;
  if (isSooner && first < Number.POSITIVE_INFINITY) shard.timers.set(pace, first);
}

/** A ready task leaves its line, or the room of its gate, without starting. */
export function leaveLine(shard: Shard, task: LiveTask, now: Millis): void {
  const { gate } = task;
  if (gate !== null) {
    leaveRoom(task, gate);
    return;
  }
  shard.queues.remove(task);
  if (task.kind.spec.limits === undefined) return;
  for (const one of [placesOf(shard, task), paceOf(shard, task)])
    if (one !== null) letNextIn(shard, one, now);
}

/** A pace's timer: the next start is allowed. */
export function openPace(shard: Shard, pace: Pace, now: Millis): void {
  if (pace.queue !== null) shard.queues.resume(pace.queue);
  else keepPace(shard, pace, now);
}

/** A new attempt uses up what its rates allow. */
export function useRates(shard: Shard, task: LiveTask, now: Millis): void {
  const { queue } = task.kind.line;
  const { rate: queueRate } = queue.settings;
  if (queueRate !== null) {
    take(queue.pace, queueRate, now);
    shard.journal.pace(queue.pace);
    watchQueueRate(shard, queue, now);
  }
  const rate = task.kind.spec.limits?.rate ?? null;
  const pace = paceOf(shard, task);
  if (pace === null || rate === null) return;
  take(pace, rate, now);
  shard.journal.pace(pace);
  keepPace(shard, pace, now);
}

/** Takes a queue out of the backlog while its rate allows no start. */
export function watchQueueRate(shard: Shard, queue: Queue, now: Millis): void {
  const { rate } = queue.settings;
  const at = rate === null ? 0 : Math.ceil(opensAt(queue.pace, rate, now));
  if (at > now) shard.timers.set(queue.pace, at);
  else shard.timers.clear(queue.pace);
  shard.queues.resume(queue);
}

/** An attempt takes its place of each limit: a new one, or one of an earlier owner. */
export function takePlace(shard: Shard, attempt: Attempt): void {
  const { queue } = attempt.task.kind.line;
  attempt.places = placesOf(shard, attempt.task);
  attempt.places?.holders.add(attempt);
  if (queue.settings.concurrency > 0) shard.queues.resume(queue);
}

/** An attempt is over, and its place free for the next one. */
export function givePlaceBack(shard: Shard, attempt: Attempt): void {
  const { places, task } = attempt;
  const { queue } = task.kind.line;
  if (queue.settings.concurrency > 0) shard.queues.resume(queue);
  if (places === null) return;
  places.holders.delete(attempt);
  attempt.places = null;
  fillPlaces(shard, places);
}
