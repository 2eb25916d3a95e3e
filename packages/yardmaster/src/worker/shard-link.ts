import type { Send } from "../brokers/broker.ts";
import { controlLane } from "../engine.ts";
import type { Envelope, Held, HeldAttempt, Note, Outcome } from "../protocol/envelope.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { Epoch, TaskId } from "../protocol/task.ts";
import { TurnoverMap } from "../protocol/turnover-map.ts";
import type { Attempt } from "./attempt.ts";

const MAX_FRAME_OUTCOMES = 1_000;
const MAX_FRAME_BYTES = 1024 * 1024;
/** Notes are lossy: beyond this many the oldest go. */
const MAX_NOTES = 1_000;
/** What is not answered within this is sent again. */
export const SILENCE_MS = 10_000;
const MAX_SILENCE_MS = 60_000;

/** One numbered frame, kept until the dispatcher has answered it. */
interface Batch {
  readonly sequence: number;
  readonly attempts: readonly Attempt[];
  readonly goodbye: boolean;
  isUnsent: boolean;
  silenceMs: number;
  resendAt: number;
}

/** What was taken out for one send, to be put back when that fails. */
export interface Parcel {
  readonly registered: boolean;
  readonly held: boolean;
  readonly notes: readonly Note[];
  readonly batches: readonly Batch[];
}

/** What a worker holds of one shard, and what that shard's dispatcher is still to be told. */
export class ShardLink {
  readonly shard: number;
  /** The highest epoch seen; frames of lower ones are refused. */
  epoch: Epoch = 0;
  /** The sequence of the last frame of this epoch. */
  seen = 0;
  /** Assigned and not started, in order. */
  waiting: Attempt[] = [];
  /** What is to be told next time: set as needed, cleared when it is taken. */
  wantsRegister = true;
  wantsHeld = false;
  wantsGoodbye = false;
  isGoodbyeAnswered = false;
  /** The present owner has not answered what is held: it may have given up what an earlier one assigned. */
  #isReconciled = true;
  /** Attempts in hand without an outcome. */
  unfinished = 0;
  readonly #worker: string;
  readonly #mailbox: string;
  readonly #attempts = new TurnoverMap<TaskId, Attempt>();
  readonly #batches = new TurnoverMap<number, Batch>();
  /** The last inventory as long as it is not answered: a lost one leaves tasks with a worker that does not have them. */
  #inventory: (Pick<Batch, "sequence" | "silenceMs" | "resendAt"> & { readonly epoch: Epoch }) | null = null;
  #finished: Attempt[] = [];
  #notes: Note[] = [];
  #sequence = 0;
  /** A frame may be lost that said of an attempt that it counts no more: until an inventory from then on is answered. */
  #doubt: "none" | "unsaid" | "said" = "none";

  constructor(shard: number, worker: string, mailbox: string) {
    this.shard = shard;
    this.#worker = worker;
    this.#mailbox = mailbox;
  }

  /** Takes an attempt into its hands. */
  hold(attempt: Attempt): void {
    this.#attempts.set(attempt.assign.id, attempt);
    this.waiting.push(attempt);
    this.unfinished += 1;
  }

  /** The latest attempt of a task that is in hand. */
  latest(id: TaskId): Attempt | null {
    return this.#attempts.get(id) ?? null;
  }

  find(id: TaskId, epoch: Epoch, attempt: number): Attempt | null {
    let found = this.latest(id);
    while (found !== null && !found.is(epoch, attempt)) found = found.older;
    return found;
  }

  /** An attempt has its outcome, which is kept until answered. */
  finish(attempt: Attempt, outcome: Outcome): void {
    attempt.state = "finished";
    attempt.outcome = outcome;
    this.unfinished -= 1;
    this.#finished.push(attempt);
  }

  addNote(note: Note): void {
    if (this.#notes.length >= MAX_NOTES) this.#notes.shift();
    this.#notes.push(note);
  }

  /** Whether every outcome is answered. */
  get isSettled(): boolean {
    return this.#finished.length === 0 && this.#batches.size === 0;
  }

  /** How many outcomes nobody has confirmed. */
  get unansweredOutcomes(): number {
    let count = this.#finished.length;
    for (const { attempts } of this.#batches.values()) count += attempts.length;
    return count;
  }

  answered(sequence: number): void {
    if (this.#inventory?.sequence === sequence) {
      this.#isReconciled ||= this.#inventory.epoch === this.epoch;
      if (this.#doubt === "said") this.#doubt = "none";
      this.#inventory = null;
    }
    const batch = this.#batches.get(sequence);
    if (batch === undefined) return;
    this.#batches.delete(sequence);
    if (batch.goodbye) this.isGoodbyeAnswered = true;
    for (const attempt of batch.attempts) this.#forget(attempt);
  }

  /** A frame of a later owner has come. */
  enter(epoch: Epoch): void {
    this.#isReconciled = this.epoch === 0;
    this.epoch = epoch;
    this.seen = 0;
  }

  /** Whether the present owner counts on an attempt, as far as is known. */
  isWanted(attempt: Attempt): boolean {
    return this.#doubt === "none" && (this.#isReconciled || attempt.epoch === this.epoch);
  }

  /** Takes the first waiting attempt that may start. */
  takeWaiting(): Attempt | null {
    const index = this.waiting.findIndex((attempt) => this.isWanted(attempt));
    return index === -1 ? null : (this.waiting.splice(index, 1)[0] ?? null);
  }

  /** Frames are lost: nothing that waits here starts before its dispatcher has heard of it. */
  framesLost(): void {
    this.wantsHeld = true;
    this.#doubt = "unsaid";
  }

  /** A new owner, or one that has forgotten this worker: it is told everything again. */
  resync(): void {
    this.wantsHeld = true;
    for (const batch of this.#batches.values()) batch.isUnsent = true;
  }

  /** Marks what was not answered for too long; answers with the time of the next look, or infinity. */
  markSilent(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const batch of this.#batches.values()) {
      if (batch.resendAt <= now) {
        batch.isUnsent = true;
        batch.silenceMs = Math.min(2 * batch.silenceMs, MAX_SILENCE_MS);
        batch.resendAt = now + batch.silenceMs;
      }
      next = Math.min(next, batch.resendAt);
    }
    if (this.#inventory === null) return next;
    if (this.#inventory.resendAt <= now) this.wantsHeld = true;
    return Math.min(next, Math.max(this.#inventory.resendAt, now + SILENCE_MS / 10));
  }

  /** Writes all that is to be told as frames, in the order in which the dispatcher must read them. */
  collect(sends: Send[], register: () => Envelope, now: number): Parcel {
    const parcel = {
      registered: this.wantsRegister,
      held: this.wantsHeld,
      notes: this.#notes,
      batches: this.#nextBatches(now),
    };
    const cold: Envelope[] = [];
    if (parcel.registered) cold.push(register());
    if (parcel.held) cold.push(this.#takeInventory(now));
    for (const note of parcel.notes) cold.push({ type: "note", note });
    if (cold.length > 0) sends.push(this.#frame(parcel.held ? this.#sequence : 0, cold));
    for (const batch of parcel.batches) sends.push(this.#frame(batch.sequence, this.#contentOf(batch)));
    this.wantsRegister = false;
    this.wantsHeld = false;
    if (this.#notes.length > 0) this.#notes = [];
    return parcel;
  }

  /** The send failed or nobody knows: all of it is told again. */
  restore({ registered, held, notes, batches }: Parcel): void {
    this.wantsRegister ||= registered;
    this.wantsHeld ||= held;
    this.#notes = [...notes, ...this.#notes].slice(-MAX_NOTES);
    for (const batch of batches) batch.isUnsent = true;
  }

  #nextBatches(now: number): Batch[] {
    const batches: Batch[] = [];
    for (const batch of this.#batches.values()) {
      if (!batch.isUnsent) continue;
      batch.isUnsent = false;
      batches.push(batch);
    }
    if (this.#finished.length > 0 || this.wantsGoodbye) this.#cut(batches, now);
    return batches;
  }

  #cut(batches: Batch[], now: number): void {
    let from = 0;
    do {
      const to = this.#frameEnd(from);
      const isWhole = from === 0 && to === this.#finished.length;
      const attempts = isWhole ? this.#finished : this.#finished.slice(from, to);
      this.#sequence += 1;
      const batch: Batch = {
        sequence: this.#sequence,
        attempts,
        goodbye: this.wantsGoodbye,
        isUnsent: false,
        silenceMs: SILENCE_MS,
        resendAt: now + SILENCE_MS,
      };
      this.wantsGoodbye = false;
      this.#batches.set(batch.sequence, batch);
      batches.push(batch);
      from = to;
    } while (from < this.#finished.length);
    this.#finished = [];
  }

  #frameEnd(from: number): number {
    let bytes = 0;
    let to = from;
    while (to < this.#finished.length && to - from < MAX_FRAME_OUTCOMES) {
      bytes += this.#finished[to]?.outcome?.result.length ?? 0;
      if (bytes > MAX_FRAME_BYTES && to > from) break;
      to += 1;
    }
    return to;
  }

  /** The goodbye goes first: what is handed back after it is not given to this worker again. */
  #contentOf({ goodbye, attempts }: Batch): Envelope[] {
    const envelopes: Envelope[] = goodbye ? [{ type: "goodbye", worker: this.#worker }] : [];
    for (const { outcome } of attempts) if (outcome !== null) envelopes.push(outcome);
    return envelopes;
  }

  /** What is held now, under a number of its own: repeated as it is then until it is answered. */
  #takeInventory(now: number): Held {
    const { silenceMs } = this.#inventory ?? { silenceMs: SILENCE_MS / 2 };
    const next = Math.min(2 * silenceMs, MAX_SILENCE_MS);
    if (this.#doubt === "unsaid") this.#doubt = "said";
    this.#sequence += 1;
    this.#inventory = { sequence: this.#sequence, silenceMs: next, resendAt: now + next, epoch: this.epoch };
    return this.#held();
  }

  #held(): Held {
    const attempts: HeldAttempt[] = [];
    for (const latest of this.#attempts.values()) {
      for (let attempt: Attempt | null = latest; attempt !== null; attempt = attempt.older) {
        const { assign, epoch } = attempt;
        const state = attempt.isGathering && attempt.state === "running" ? "waiting" : attempt.state;
        attempts.push({ id: assign.id, epoch, attempt: assign.attempt, state });
      }
    }
    return { type: "held", worker: this.#worker, epoch: this.epoch, seen: this.seen, attempts };
  }

  #frame(sequence: number, envelopes: readonly Envelope[]): Send {
    const { shard, epoch } = this;
    const frame = encodeFrame({ from: this.#mailbox, shard, epoch, sequence, envelopes });
    return { mailbox: controlLane(shard), frame };
  }

  #forget(attempt: Attempt): void {
    const { id } = attempt.assign;
    const latest = this.latest(id);
    if (latest === attempt) {
      if (attempt.older === null) this.#attempts.delete(id);
      else this.#attempts.set(id, attempt.older);
      return;
    }
    for (let newer = latest; newer !== null; newer = newer.older) {
      if (newer.older === attempt) newer.older = attempt.older;
    }
  }
}
