import type { Delivery } from "../brokers/broker.ts";
import type { KernelEvent } from "../kernel/event.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { keyOf } from "../protocol/change.ts";
import type { Frame, ToDispatcher } from "../protocol/envelope.ts";
import { isCode, messageOf, YardmasterError } from "../protocol/errors.ts";
import { decodeFrame } from "../protocol/frame.ts";
import { workerOf } from "../protocol/mailbox.ts";
import type { Submission, TaskId, TaskRecord } from "../protocol/task.ts";
import type { ReadAnswer, Store } from "../stores/store.ts";

/** What became of drained deliveries: frames to apply, and those that cannot be read. */
export interface Opened {
  readonly frames: readonly OpenedFrame[];
  /** Not frames of this protocol: acknowledged with the tick and reported. */
  readonly unreadable: readonly Unreadable[];
  /**
   * Left unacknowledged in the lane for an owner that takes it: of a newer version, signed with an unknown key, or a
   * submission that was signed too long ago, which was confirmed to its sender all the same.
   */
  readonly newer: readonly Unreadable[];
}

export interface OpenedFrame {
  readonly frame: Frame;
  readonly redelivered: boolean;
  /** As `Delivery.isForeign`. */
  readonly isForeign?: boolean;
}

export interface Unreadable {
  readonly delivery: Delivery;
  readonly reason: string;
  /** Who a frame that is not trusted claims to be from; null for what is no frame, or of a newer version. */
  readonly claimed: string | null;
}

export function openFrames(deliveries: readonly Delivery[]): Opened {
  const frames: OpenedFrame[] = [];
  const unreadable: Unreadable[] = [];
  const newer: Unreadable[] = [];
  for (const delivery of deliveries) {
    try {
      const { redelivered, isForeign = false } = delivery;
      frames.push({ frame: decodeFrame(delivery.frame), redelivered, isForeign });
    } catch (error) {
      const isLeft =
        isCode(error, "UNSUPPORTED_VERSION") || isCode(error, "KEY_MISSING") || isOld(error, delivery);
      (isLeft ? newer : unreadable).push({ delivery, reason: messageOf(error), claimed: claimedBy(error) });
    }
  }
  return { frames, unreadable, newer };
}

/** What a worker or client tells through a control lane it repeats until it is answered. */
function isOld(error: unknown, { mailbox }: Delivery): boolean {
  if (!(error instanceof YardmasterError) || mailbox.endsWith(":control")) return false;
  return error.code === "FRAME_UNTRUSTED" && error.details["why"] === "expired";
}

function claimedBy(error: unknown): string | null {
  if (!isCode(error, "FRAME_UNTRUSTED") && !isCode(error, "KEY_MISSING")) return null;
  const { from } = error instanceof YardmasterError ? error.details : {};
  return typeof from === "string" ? from : "";
}

/**
 * Asks the store, in one batch, about everything in these frames that memory cannot answer alone: submissions that may
 * be copies or carry an idempotency key, and cancels and watches of tasks that are not in memory. Null when there is nothing
 * to ask, which is the common case.
 */
export async function lookUp(
  frames: readonly OpenedFrame[],
  kernel: Kernel,
  store: Store,
): Promise<ReadAnswer | null> {
  const ids: TaskId[] = [];
  const keys: { name: string; key: string }[] = [];
  const waitedFor = new Set<TaskId>();
  for (const { frame, redelivered } of frames) {
    for (const envelope of frame.envelopes) {
      if (envelope.type === "submit") {
        const { submission } = envelope;
        if ((redelivered || submission.copy) && !kernel.has(submission.id)) ids.push(submission.id);
        for (const id of submission.links?.after ?? []) if (!kernel.has(id)) waitedFor.add(id);
        if (submission.key !== null) keys.push({ name: submission.spec.name, key: submission.key.key });
      } else if ((envelope.type === "cancel" || envelope.type === "watch") && !kernel.has(envelope.id))
        ids.push(envelope.id);
    }
  }
  ids.push(...withoutArriving(waitedFor, frames));
  if (ids.length + keys.length === 0) return null;
  const known = await store.read({ ids, keys, shard: kernel.shard });
  const first = firstTasks(known).filter((id) => !kernel.has(id) && !known.tasks.has(id));
  if (first.length === 0) return known;
  const holders = await store.read({ ids: first });
  return { keys: known.keys, tasks: new Map([...known.tasks, ...holders.tasks]) };
}

/** What comes with these frames need not be asked for. */
function withoutArriving(ids: Set<TaskId>, frames: readonly OpenedFrame[]): TaskId[] {
  if (ids.size === 0) return [];
  for (const { frame } of frames)
    for (const envelope of frame.envelopes)
      if (envelope.type === "submit") ids.delete(envelope.submission.id);
  return [...ids];
}

/** Those that duplicates stand for. */
function firstTasks({ tasks, keys }: ReadAnswer): TaskId[] {
  const ids: TaskId[] = [];
  for (const { id } of keys.values()) ids.push(id);
  for (const { task } of tasks.values()) if (task.aliasOf !== "") ids.push(task.aliasOf);
  return ids;
}

/** The kernel's event for an envelope, or null for those that the shell answers itself. */
export function toEvent(envelope: ToDispatcher, from: string, known: ReadAnswer | null): KernelEvent | null {
  switch (envelope.type) {
    case "submit":
      return submitted(envelope.submission, known);
    case "outcome":
      return { type: "outcomeReported", outcome: envelope, worker: workerOf(from) };
    case "register":
      return { type: "workerRegistered", register: envelope };
    case "heartbeat":
      return { type: "heartbeatReceived", heartbeat: envelope, from };
    case "held":
      return { type: "attemptsHeld", held: envelope };
    case "goodbye":
      return { type: "workerLeft", worker: envelope.worker };
    case "cancel": {
      const stored = firstOf(envelope.id, known);
      const id = stored === null || stored.aliasOf !== "" ? envelope.id : stored.id;
      const { reason, request } = envelope;
      return { type: "cancelRequested", id, reason, request, replyTo: from, stored };
    }
    case "watch":
      return {
        type: "watchRequested",
        id: envelope.id,
        replyTo: from,
        stored: known?.tasks.get(envelope.id)?.task ?? null,
      };
    case "note":
      return { type: "noted", note: envelope.note, worker: workerOf(from) };
    case "command":
      return { type: "commanded", command: envelope.command, request: envelope.request, replyTo: from };
    case "marker":
      return lost(envelope);
    // Queries and echoes; and what a stranger put into the lane, whatever the type says.
    default:
      return null;
  }
}

function lost({ worker, heardAt }: Extract<ToDispatcher, { type: "marker" }>): KernelEvent {
  if (heardAt === 0) return { type: "workerLost", worker, cause: "died" };
  return { type: "workerLost", worker, cause: "absent", heardAt };
}

/** The record of a task; of the first one when it is a duplicate of a task that is not in memory. */
function firstOf(id: TaskId, known: ReadAnswer | null): TaskRecord | null {
  const stored = known?.tasks.get(id)?.task ?? null;
  if (stored === null || stored.aliasOf === "") return stored;
  return known?.tasks.get(stored.aliasOf)?.task ?? stored;
}

function submitted(submission: Submission, known: ReadAnswer | null): KernelEvent {
  if (known === null) return { type: "submitted", submission, stored: null, keyed: null };
  const { key } = submission;
  const keyed = key === null ? null : (known.keys.get(keyOf(submission.spec.name, key.key)) ?? null);
  const stored = known.tasks.get(submission.id)?.task ?? null;
  return {
    type: "submitted",
    submission,
    stored,
    keyed,
    first: known.tasks.get(keyed?.id ?? "")?.task ?? null,
    known: known.tasks,
  };
}
