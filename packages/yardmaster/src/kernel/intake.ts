import type { KeyRecord } from "../protocol/change.ts";
import {
  isTerminal,
  type Millis,
  type Submission,
  type TaskError,
  type TaskId,
  type TaskLinks,
  type TaskRecord,
  type TaskTerms,
  type TerminalState,
} from "../protocol/task.ts";
import { DOUBTFUL, doubtOf } from "./admission.ts";
import { cancelGraph } from "./dependencies.ts";
import type { KernelEvent } from "./event.ts";
import { bind, type StoredRecords, standFor, withFirsts } from "./linking.ts";
import { LiveTask } from "./live.ts";
import { lengthenPaths } from "./paths.ts";
import { restsUntil, superseded, withUntil } from "./replaceable.ts";
import { keepUntil, noteTickEnd, settledFrom } from "./settle.ts";
import type { Shard } from "./shard.ts";
import { detailsOf, recordOf } from "./task-record.ts";
import { happen } from "./transitions.ts";
import { ARRIVAL_MS } from "./waiting.ts";

type Event<T extends KernelEvent["type"]> = Extract<KernelEvent, { type: T }>;

/** A task tells at most this many mailboxes beside its submitter's; the rest ask the store from time to time anyway. */
const MAX_WATCHERS = 100;
/** More early cancels are not remembered at once: a confirmed one must never be forgotten, so others are not confirmed. */
const MAX_TOMBSTONES = 100_000;
/** So many may wait for others, however small memory is. */
const LEAST_BLOCKED = 1_000;

export function submit(shard: Shard, event: Event<"submitted">, now: Millis): void {
  const { submission } = event;
  const stored = shard.journal.row(submission.id) ?? event.stored;
  shard.outbox.heardFrom(submission.replyTo);
  const known = shard.tasks.get(submission.id);
  if (known !== undefined) repeatEnd(shard, recordOf(known, 0), submission.replyTo);
  else if (stored !== null) repeatStored(shard, stored, submission.replyTo);
  else if (shard.tombstones.has(submission.id)) adopt(shard, submission, now);
  else {
    const keyed = usedKey(shard, event, now);
    if (keyed === null) accept(shard, submission, now, { known: event.known ?? null });
    else if (keyed.inputHash === submission.key?.inputHash)
      alias(shard, submission, keyed, event.first ?? null, now);
    else conflict(shard, submission, keyed, now);
  }
}

interface Circumstances {
  /** Which tick of a schedule it is of. */
  readonly tick?: string;
  /** What the store knows of the tasks that it waits for. */
  readonly known?: StoredRecords | null;
}

export function accept(
  shard: Shard,
  submission: Submission,
  now: Millis,
  { tick = "", known = null }: Circumstances = {},
): LiveTask {
  const task = createTask(shard, submission, now, known);
  if (tick !== "") detailsOf(task).key = tick;
  if (submission.links === undefined) shard.links.arrived(task.id);
  else if (!link(shard, task, known, now)) return task;
  const doubt = task.terms === null ? null : doubtOf(shard, task, now);
  if (doubt !== null && task.kind.line.queue.settings.admission === "refuse") {
    refuseNew(shard, task, doubt, now);
    return task;
  }
  if (doubt !== null) detailsOf(task).code = DOUBTFUL;
  if (task.terms?.replace !== undefined && !takePlace(shard, task, now)) return task;
  const { key } = submission;
  if (key !== null) {
    const { inputHash, windowMs } = key;
    shard.journal.key({
      name: submission.spec.name,
      key: key.key,
      id: task.id,
      inputHash,
      expiresAt: now + windowMs,
    });
  }
  happen(shard, task, now, "accepted", null);
  return task;
}

/** Ends the one that has waited under its key. Answers whether the task may go on. */
function takePlace(shard: Shard, task: LiveTask, now: Millis): boolean {
  const before = shard.replaceable.before({ spec: task.kind.spec, terms: task.terms });
  if (before !== null) happen(shard, before, now, "cancelled", superseded(`Task ${task.id}`));
  else if (shard.replaceable.size >= shard.limits.maxLive) {
    refuseNew(shard, task, TOO_MANY_KEYS, now);
    return false;
  }
  shard.replaceable.waits(task);
  return true;
}

/** Answers whether the task may go on. */
function link(shard: Shard, task: LiveTask, known: StoredRecords | null, now: Millis): boolean {
  const { links } = detailsOf(task);
  if (links === null) return true;
  if ((shard.links.graphs.get(links.graph)?.closedUntil ?? 0) > 0) {
    happen(shard, task, now, "cancelled", cancelError("Its graph was cancelled."));
    return false;
  }
  const { blocked, blockedBytes } = shard.links;
  const most = Math.max(LEAST_BLOCKED, shard.limits.maxLive);
  const isFull = blocked >= most || blockedBytes >= shard.limits.maxLiveBytes;
  const refusal = isFull ? TOO_MANY_BLOCKED : bind(shard, task, links, known);
  if (refusal !== null) refuseNew(shard, task, refusal, now);
  else if (links.graph === "") lengthenPaths(shard, task);
  return refusal === null;
}

function createTask(
  shard: Shard,
  submission: Submission,
  now: Millis,
  known: StoredRecords | null = null,
): LiveTask {
  const { terms, links } = submission;
  const before = shard.replaceable.before(submission);
  const bound = terms === null ? submission : { ...submission, terms: bindTerms(terms, before, now) };
  const task = new LiveTask(shard.kindOf(submission.spec), bound, submission.payload, shard.momentOf(now));
  const { delayMs, expiresInMs, key, retryOf } = submission;
  const rest = terms?.replace === undefined ? 0 : restsUntil(terms.replace, before, now);
  const runAt = Math.max(submission.runAt, rest);
  if (runAt > 0 || delayMs > 0 || expiresInMs > 0 || key !== null || retryOf !== "") {
    const details = detailsOf(task);
    details.runAt = Math.max(runAt, delayMs > 0 ? now + delayMs : 0);
    details.expiresAt = expiresInMs > 0 ? now + expiresInMs : 0;
    details.key = key === null ? "" : key.key;
    details.retryOf = retryOf;
  }
  task.kind.line.queue.tally.submitted++;
  if (links !== undefined) detailsOf(task).links = withFirsts(shard, links, known);
  shard.add(task);
  if (links !== undefined) joinGraph(shard, task, links, now);
  return task;
}

function joinGraph(shard: Shard, task: LiveTask, links: TaskLinks, now: Millis): void {
  const graph = shard.links.join(task, links);
  if (graph?.arrived !== 1) return;
  if (shard.tombstones.has(graph.id)) graph.closedUntil = now + shard.limits.minIdTtlMs;
  else if (graph.members > 1) shard.timers.set(graph, now + ARRIVAL_MS);
}

/** What counts from acceptance becomes a time. */
function bindTerms(terms: TaskTerms, before: LiveTask | null, now: Millis): TaskTerms {
  const { deadlineInMs, replace } = terms;
  const timed = deadlineInMs === 0 ? terms : { ...terms, deadline: now + deadlineInMs, deadlineInMs: 0 };
  return replace === undefined ? timed : withUntil(timed, replace, before, now);
}

/** A cancel came first. */
function adopt(shard: Shard, submission: Submission, now: Millis): void {
  const task = createTask(shard, submission, now);
  happen(shard, task, now, "cancelled", cancelError("The task was cancelled before it was submitted."));
}

function usedKey(shard: Shard, event: Event<"submitted">, now: Millis): KeyRecord | null {
  const { key, spec } = event.submission;
  if (key === null) return null;
  const keyed = shard.journal.recentKey(spec.name, key.key) ?? event.keyed;
  return keyed !== null && keyed.expiresAt > now && keyed.id !== event.submission.id ? keyed : null;
}

/**
 * The same key and input again. The new id becomes an alias: a row of its own, so that the id stays known, in the
 * state `submitted` in which no task of its own can rest, never loaded as a task because it has `aliasOf`, and
 * swept by `keepUntil` like a terminal one.
 */
function alias(
  shard: Shard,
  submission: Submission,
  keyed: KeyRecord,
  first: TaskRecord | null,
  now: Millis,
): void {
  const { id, replyTo } = submission;
  const record = {
    ...recordOf(new LiveTask(shard.kindOf(submission.spec), submission, "", shard.momentOf(now)), 0),
    aliasOf: keyed.id,
  };
  const keepMs = Math.max(submission.key?.windowMs ?? 0, shard.limits.minIdTtlMs);
  shard.journal.alias(record, now + keepMs);
  standFor(shard, id, keyed.id, first);
  tellDuplicate(shard, id, keyed.id, replyTo, first);
}

function tellDuplicate(
  shard: Shard,
  id: TaskId,
  of: TaskId,
  replyTo: string,
  first: TaskRecord | null,
): void {
  shard.outbox.tell(replyTo, { type: "accepted", id, outcome: "duplicate", of, code: "", message: "" }, 0);
  follow(shard, of, replyTo, first);
}

function conflict(shard: Shard, submission: Submission, keyed: KeyRecord, now: Millis): void {
  const message = `Task ${keyed.id} has used the idempotency key with different input.`;
  const error = { code: "IDEMPOTENCY_CONFLICT", message, stack: "" };
  refuseNew(shard, createTask(shard, submission, now), error, now);
}

function refuseNew(shard: Shard, task: LiveTask, error: TaskError, now: Millis): void {
  const { code, message } = error;
  const refusal = { type: "accepted", id: task.id, outcome: "refused", of: "", code, message } as const;
  shard.outbox.tell(task.replyTo, refusal, 0);
  happen(shard, task, now, "refused", error);
}

/** A copy of a submission that the store knows: its sender hears what it may have missed. */
function repeatStored(shard: Shard, stored: TaskRecord, replyTo: string): void {
  if (stored.aliasOf !== "") tellDuplicate(shard, stored.id, stored.aliasOf, replyTo, null);
  else repeatEnd(shard, stored, replyTo);
}

function repeatEnd(shard: Shard, record: TaskRecord, replyTo: string): void {
  if (isTerminal(record.state)) shard.outbox.tell(replyTo, settledFrom(record, record.state), 0);
}

/** A mailbox wants to know how a task ends; answers whether the task is known. */
function follow(shard: Shard, id: TaskId, mailbox: string, stored: TaskRecord | null): boolean {
  const task = shard.tasks.get(id);
  if (task === undefined || isTerminal(task.state)) {
    const record = task === undefined ? stored : recordOf(task, 0);
    if (record !== null) repeatEnd(shard, record, mailbox);
    return record !== null;
  }
  addWatcher(task, mailbox);
  return true;
}

function addWatcher(task: LiveTask, mailbox: string): void {
  if (mailbox === "" || mailbox === task.replyTo) return;
  const details = detailsOf(task);
  const { watchers } = details;
  if (watchers.length < MAX_WATCHERS && !watchers.includes(mailbox))
    details.watchers = [...watchers, mailbox];
}

export function watch(shard: Shard, event: Event<"watchRequested">): void {
  const { id, replyTo } = event;
  const stored = shard.journal.row(id) ?? event.stored;
  shard.outbox.heardFrom(replyTo);
  if (stored !== null && stored.aliasOf !== "") tellDuplicate(shard, id, stored.aliasOf, replyTo, null);
  else if (!follow(shard, id, replyTo, stored)) shard.outbox.tell(replyTo, { type: "unknown", id }, 0);
}

/** `stored` of an alias is of use only while the first task is in memory: else hand over the first one's record. */
export function requestCancel(shard: Shard, event: Event<"cancelRequested">, now: Millis): void {
  const { id, replyTo } = event;
  const stored = shard.journal.row(id) ?? event.stored;
  shard.outbox.heardFrom(replyTo);
  const task = shard.tasks.get(stored === null || stored.aliasOf === "" ? id : stored.aliasOf);
  const graph = shard.links.graphs.get(id);
  const error = cancelError(event.reason === "" ? "The task was cancelled." : event.reason);
  if (task !== undefined) cancelLive(shard, task, event, error, now);
  else if (graph !== undefined) cancelGraph(shard, graph, event, error, now);
  else if (stored === null) buryUnknown(shard, event, now);
  else if (stored.aliasOf !== "") shard.outbox.tell(replyTo, { type: "unknown", id }, 0);
  else cancelStored(shard, stored, event, error, now);
}

function cancelLive(
  shard: Shard,
  task: LiveTask,
  waiter: Event<"cancelRequested">,
  error: TaskError,
  now: Millis,
): void {
  if (isTerminal(task.state)) {
    tellCancelDone(shard, waiter, task.state);
    return;
  }
  const { request, replyTo } = waiter;
  const details = detailsOf(task);
  const { cancels } = details;
  const isKnown = cancels.some((other) => other.request === request && other.replyTo === replyTo);
  if (!isKnown && cancels.length < MAX_WATCHERS) details.cancels = [...cancels, { request, replyTo }];
  happen(shard, task, now, "cancelled", error);
}

/** A parked task ends where it is; one that has ended stays as it ended. */
function cancelStored(
  shard: Shard,
  stored: TaskRecord,
  waiter: Event<"cancelRequested">,
  error: TaskError,
  now: Millis,
): void {
  if (isTerminal(stored.state)) {
    tellCancelDone(shard, waiter, stored.state);
    return;
  }
  const ended: TaskRecord = {
    ...stored,
    state: "cancelled",
    code: error.code,
    error,
    finishedAt: now,
    cancelRequested: true,
  };
  shard.journal.finishStored(ended, keepUntil(shard, "cancelled", stored.spec, now));
  shard.parking.unparked(shard.queues.get(stored.spec.queue), stored.state === "ready");
  noteTickEnd(shard, stored.id);
  shard.links.noteEnd(stored.id, "cancelled");
  shard.outbox.tell(stored.replyTo, settledFrom(ended, "cancelled"), 0);
  tellCancelDone(shard, waiter, "cancelled");
}

function buryUnknown(shard: Shard, waiter: Event<"cancelRequested">, now: Millis): void {
  const until = now + shard.limits.minIdTtlMs;
  if (!shard.tombstones.has(waiter.id)) {
    if (shard.tombstones.size >= MAX_TOMBSTONES) {
      shard.outbox.tell(waiter.replyTo, { type: "unknown", id: waiter.id }, 0);
      return;
    }
    shard.tombstones.set(waiter.id, until);
    shard.journal.tombstone(waiter.id, until);
  }
  tellCancelDone(shard, waiter, "cancelled");
}

function tellCancelDone(shard: Shard, waiter: Event<"cancelRequested">, state: TerminalState): void {
  const { request, id, replyTo } = waiter;
  shard.outbox.tell(replyTo, { type: "cancelDone", request, id, state }, 0);
}

const TOO_MANY_KEYS: TaskError = {
  code: "TASK_REFUSED",
  message: "As many tasks as memory has room for wait to be replaced already.",
  stack: "",
};

const TOO_MANY_BLOCKED: TaskError = {
  code: "TASK_REFUSED",
  message: "As many tasks as memory has room for wait for others already.",
  stack: "",
};

function cancelError(message: string): TaskError {
  return { code: "TASK_CANCELLED", message, stack: "" };
}
