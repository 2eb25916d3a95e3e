import { optionsOf } from "../definition/options.ts";
import type { Host } from "../host.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { TaskEvent } from "../protocol/envelope.ts";
import type { YardmasterError } from "../protocol/errors.ts";
import type { TaskId, TerminalState } from "../protocol/task.ts";
import type { Batch } from "./batch.ts";
import { EventStream } from "./event-stream.ts";
import type { Acceptance, Outcome, TaskHandle, TaskUpdate, WaitOptions } from "./handle.ts";
import {
  type Decoding,
  failureOf,
  isOwnFailure,
  isRefusal,
  resultOf,
  type Settlement,
} from "./settlement.ts";
import type { Commit } from "./transaction.ts";
import { checkSignal, checkWait, Waiter } from "./waiter.ts";

/** What a ticket needs of its client. */
export interface TicketHome {
  readonly host: Host;
  /** Somebody waits for the ticket now: its messages must find it, and what it may have missed must be asked for. */
  follow(ticket: Ticket): void;
  /** Nobody waits for it any more. */
  release(ticket: Ticket): void;
  /** The task does not exist: no message will come. */
  forget(ticket: Ticket): void;
  /** Asks store and dispatcher how the task stands. */
  ask(ticket: Ticket): void;
  cancel(id: TaskId, reason: string): Promise<TerminalState>;
  /** Throws PAYLOAD_UNREADABLE for what cannot be decrypted. */
  openResult(id: TaskId, result: ByteString): ByteString;
}

interface AcceptWaiter {
  resolve(acceptance: Acceptance): void;
  reject(reason: unknown): void;
}

/**
 * The one object that a client keeps of a task: the caller's handle and what waits on it.
 *
 * Its output is untyped here; the client hands it out as the `TaskHandle` of its definition.
 */
export class Ticket implements TaskHandle {
  readonly id: TaskId;
  readonly decoding: Decoding;
  private readonly home: TicketHome;
  /** Where the task really lives: another id once this one is known to be a duplicate. */
  target: TaskId;
  /** The frame it was submitted with; null for a handle that was opened by id. */
  batch: Batch | null = null;
  /** Of the transaction that it was submitted in; null where there is none. */
  commit: Commit | null = null;
  /** The next ticket for the same target. */
  next: Ticket | null = null;
  /** Messages find it. */
  isTracked = false;
  /** It was tracked without a gap since before it was sent: no message can have been missed. */
  hasMissedNothing = false;
  /** How many promises and streams wait. */
  interest = 0;
  /** The round of asking again that saw it last. */
  round = 0;
  /** When a dispatcher was asked last, as the store had no record. */
  askedAt: number | null = null;
  /** The dispatcher said that it knows no such task. */
  isUnknown = false;
  /** Submitted here with an idempotency key, so that it may turn out to be another task's copy. */
  mayBeDuplicate = false;
  /** Since when dispatchers have said so of what was submitted here. */
  unknownSince: number | null = null;
  private settlement: Settlement | null = null;
  private refusal: YardmasterError | null = null;
  private acceptance: Acceptance | null = null;
  private waiter: Waiter | null = null;
  private acceptWaiters: AcceptWaiter[] | null = null;
  private streams: Set<EventStream> | null = null;
  /** Two fields and no object of both: see `protocol/kept-envelopes.ts`. */
  private resolveSubmitted: ((ticket: Ticket) => void) | null = null;
  private rejectSubmitted: ((reason: unknown) => void) | null = null;

  constructor(home: TicketHome, id: TaskId, decoding: Decoding) {
    this.home = home;
    this.id = id;
    this.target = id;
    this.decoding = decoding;
  }

  /** The promise that `submit` returns. */
  confirmation(): Promise<Ticket> {
    return new Promise((resolve, reject) => {
      this.resolveSubmitted = resolve;
      this.rejectSubmitted = reject;
    });
  }

  confirm(): void {
    this.resolveSubmitted?.(this);
    this.resolveSubmitted = null;
    this.rejectSubmitted = null;
  }

  /** The submission could not be sent. */
  refuse(error: YardmasterError): void {
    this.rejectSubmitted?.(error);
    this.resolveSubmitted = null;
    this.rejectSubmitted = null;
    this.home.forget(this);
    this.fail(error);
  }

  /** Nobody has seen the transaction commit that it was submitted in. */
  get mayBeUncommitted(): boolean {
    return this.commit?.isSeen === false && this.batch?.answered === false && this.acceptance === null;
  }

  accepted(): Promise<Acceptance> {
    if (this.refusal !== null) return Promise.reject(this.refusal);
    if (this.batch?.answered && this.hasMissedNothing) this.accept({ outcome: "created", id: this.id });
    if (this.acceptance !== null) return Promise.resolve(this.acceptance);
    return new Promise((resolve, reject) => {
      this.acceptWaiters ??= [];
      this.acceptWaiters.push({ resolve, reject });
      this.batch?.tell(this);
      this.gain();
      if (this.batch?.answered) this.home.ask(this);
    });
  }

  result(options?: WaitOptions): Promise<unknown> {
    if (this.refusal !== null) return Promise.reject(this.refusal);
    return new Promise((resolve, reject) => {
      if (options !== undefined) checkWait(options);
      const waiter = new Waiter(resolve, reject);
      if (this.settlement === null) this.wait(waiter, options);
      else this.deliver(waiter, this.settlement);
    });
  }

  private wait(waiter: Waiter, options: WaitOptions | undefined): void {
    waiter.next = this.waiter;
    this.waiter = waiter;
    this.gain();
    if (options === undefined) return;
    waiter.limit(this.home.host, options, (reason) => {
      this.unlink(waiter);
      this.lose();
      waiter.reject(reason);
    });
  }

  async settled(options?: WaitOptions): Promise<Outcome<unknown>> {
    try {
      return { ok: true, value: await this.result(options) };
    } catch (error) {
      if (isOwnFailure(error)) return { ok: false, error };
      throw error;
    }
  }

  events(options: { readonly signal?: AbortSignal } = {}): EventStream {
    const { signal } = optionsOf("events", options);
    checkSignal(signal, "events");
    const stream: EventStream = new EventStream(signal, () => {
      this.streams?.delete(stream);
      this.lose();
    });
    this.streams ??= new Set();
    this.streams.add(stream);
    this.gain();
    if (signal?.aborted) stream.end(null);
    else this.feed(stream);
    return stream;
  }

  /** A dispatcher reports on a task only to those who asked, and only once it knows the task. */
  private feed(stream: EventStream): void {
    const { acceptance, settlement } = this;
    if (acceptance === null) {
      this.accepted().then(
        () => this.home.ask(this),
        (reason: unknown) => stream.end({ reason }),
      );
      return;
    }
    stream.push({ type: "accepted", ...acceptance });
    if (settlement === null) this.home.ask(this);
    else this.endStream(stream, settlement);
  }

  cancel(reason = ""): Promise<TerminalState> {
    return this.home.cancel(this.target, reason);
  }

  /** The dispatcher has the task, or said of which one it is a duplicate. */
  accept(acceptance: Acceptance): void {
    if (this.acceptance !== null) return;
    this.acceptance = acceptance;
    for (const stream of this.streams ?? []) stream.push({ type: "accepted", ...acceptance });
    const waiters = this.acceptWaiters;
    if (waiters === null) return;
    this.acceptWaiters = null;
    for (const { resolve } of waiters) {
      resolve(acceptance);
      this.lose();
    }
  }

  batchAnswered(): void {
    if (this.acceptance !== null || this.refusal !== null) return;
    if (this.hasMissedNothing) this.accept({ outcome: "created", id: this.id });
    else this.home.ask(this);
  }

  report(event: TaskEvent): void {
    for (const stream of this.streams ?? []) stream.push(event);
  }

  /** The task is over. The caller has stopped tracking the ticket. */
  settle(settlement: Settlement): void {
    if (this.settlement !== null || this.refusal !== null) return;
    if (isRefusal(settlement.code)) {
      this.fail(failureOf(this.decoding, this.id, settlement));
      return;
    }
    this.settlement = settlement;
    this.accept({ outcome: this.target === this.id ? "created" : "duplicate", id: this.target });
    const first = this.takeWaiters();
    for (let waiter = first; waiter !== null; waiter = waiter.next) this.deliver(waiter, settlement);
    for (const stream of this.streams ?? []) this.endStream(stream, settlement);
  }

  /** Nobody can say how the task ends: everything that waits rejects. */
  fail(error: YardmasterError): void {
    if (this.settlement !== null || this.refusal !== null) return;
    // A client that closes says nothing about the task: another client may still ask.
    if (isOwnFailure(error)) this.refusal = error;
    const accepting = this.acceptWaiters ?? [];
    this.acceptWaiters = null;
    for (const { reject } of accepting) {
      this.lose();
      reject(error);
    }
    for (let waiter = this.takeWaiters(); waiter !== null; waiter = waiter.next) waiter.reject(error);
    for (const stream of this.streams ?? []) stream.end({ reason: error });
  }

  private deliver(waiter: Waiter, settlement: Settlement): void {
    try {
      if (settlement.state !== "succeeded") throw failureOf(this.decoding, this.id, settlement);
      const result = this.home.openResult(this.target, settlement.result ?? "");
      waiter.resolve(resultOf(this.decoding, { ...settlement, result }));
    } catch (error) {
      waiter.reject(error);
    }
  }

  private endStream(stream: EventStream, { state, code, attempt }: Settlement): void {
    const update: TaskUpdate = { type: "settled", state, code, attempt };
    stream.push(update);
    stream.end(null);
  }

  private takeWaiters(): Waiter | null {
    const first = this.waiter;
    this.waiter = null;
    for (let waiter = first; waiter !== null; waiter = waiter.next) {
      waiter.release();
      this.lose();
    }
    return first;
  }

  private unlink(gone: Waiter): void {
    let before: Waiter | null = null;
    for (let waiter = this.waiter; waiter !== null; waiter = waiter.next) {
      if (waiter === gone) {
        if (before === null) this.waiter = waiter.next;
        else before.next = waiter.next;
        return;
      }
      before = waiter;
    }
  }

  private gain(): void {
    this.interest += 1;
    if (this.interest === 1) this.home.follow(this);
  }

  private lose(): void {
    this.interest -= 1;
    if (this.interest === 0) this.home.release(this);
  }
}
