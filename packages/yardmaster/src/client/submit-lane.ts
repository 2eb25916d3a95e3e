import type { Delivery, Send, Transactional } from "../brokers/broker.ts";
import { submitLane } from "../engine.ts";
import { pause } from "../host.ts";
import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import { decodeFrame, encodeFrame, FrameWriter } from "../protocol/frame.ts";
import type { Submission } from "../protocol/task.ts";
import { Batch } from "./batch.ts";
import type { Link } from "./link.ts";
import type { Ticket } from "./ticket.ts";
import type { Tickets } from "./tickets.ts";
import { Commit, type RunStatement } from "./transaction.ts";

const MAX_FRAME_BYTES = 512 * 1024;
/** A frame is sent at so many tasks: fewer where a server commits, so that the next one is under way meanwhile. */
const MAX_FRAME_TASKS = { aside: 250, here: 500 };
/** Beyond this, submissions wait unencoded until the broker has confirmed some. */
const MAX_UNCONFIRMED_BYTES = 16 * 1024 * 1024;
/** Frames whose answer is awaited; a lost answer must not be remembered for ever. */
const MAX_UNANSWERED = 4_096;
/** How long an unreachable broker is tried before `submit` gives up. */
const GIVE_UP_MS = 30_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

interface Parcel {
  frame: Buffer;
  /** What it counts against the limit; its copy may be a little larger. */
  readonly bytes: number;
  readonly batch: Batch;
}

interface Waiting {
  readonly submission: Submission;
  readonly ticket: Ticket;
}

/**
 * The way of a client's submissions into one shard.
 *
 * One send is in flight at a time; what is submitted meanwhile fills the next frames, so that batches grow with the
 * load and a single task is sent at once.
 */
export class SubmitLane {
  private readonly link: Link;
  private readonly tickets: Tickets;
  private readonly shard: number;
  private readonly mailbox: string;
  private readonly maxFrameTasks: number;
  private readonly writer = new FrameWriter();
  private readonly unanswered = new Map<number, Batch>();
  private batch: Batch | null = null;
  private parcels: Parcel[] = [];
  private inFlight: readonly Parcel[] = [];
  private overflow: Waiting[] = [];
  private readonly roomWaiters: (() => void)[] = [];
  private readonly idleWaiters: (() => void)[] = [];
  private unconfirmedBytes = 0;
  private sequence = 0;
  private isRunning = false;
  private closed: YardmasterError | null = null;

  constructor(link: Link, tickets: Tickets, shard: number) {
    this.link = link;
    this.tickets = tickets;
    this.shard = shard;
    this.mailbox = submitLane(shard);
    this.maxFrameTasks = link.commitsAside ? MAX_FRAME_TASKS.aside : MAX_FRAME_TASKS.here;
  }

  /** Sends a submission; the ticket hears when the broker has it. Hot. */
  push(submission: Submission, ticket: Ticket): void {
    if (this.closed !== null) ticket.refuse(this.closed);
    else if (this.overflow.length > 0 || this.isFull) this.overflow.push({ submission, ticket });
    else this.write(submission, ticket);
  }

  /**
   * Sends a submission with a transaction of the caller's, in a frame of its own that nobody repeats, to the mailbox
   * that such transactions reach. Rejects with what `run` throws; it is called before this returns.
   */
  async pushInside(
    submission: Submission,
    ticket: Ticket,
    { transactional, mailbox }: { readonly transactional: Transactional; readonly mailbox: string },
    run: RunStatement,
  ): Promise<void> {
    if (this.closed !== null) throw this.closed;
    const { link, shard } = this;
    const sequence = this.sequence + 1;
    const envelopes = [{ type: "submit", submission } as const];
    const frame = encodeFrame({ from: link.mailbox, shard, epoch: 0, sequence, envelopes });
    const { sql, params } = transactional.statement(mailbox, frame, submission.id);
    this.sequence = sequence;
    ticket.batch = new Batch(sequence);
    ticket.commit = new Commit(transactional, mailbox, submission.id);
    ticket.hasMissedNothing = true;
    this.tickets.track(ticket);
    this.await(ticket.batch);
    try {
      await run(sql, params);
    } catch (error) {
      this.unanswered.delete(sequence);
      this.tickets.untrack(ticket);
      throw error;
    }
    ticket.commit.nudgeSoon(link.host);
  }

  /** Resolves when a submission would not have to wait; null when it would not wait now. */
  room(): Promise<void> | null {
    if (this.closed !== null || (this.overflow.length === 0 && !this.isFull)) return null;
    return new Promise((resolve) => {
      this.roomWaiters.push(resolve);
    });
  }

  /** Resolves when everything is confirmed or has failed. */
  async idle(): Promise<void> {
    if (!this.isRunning) return;
    await new Promise<void>((resolve) => {
      this.idleWaiters.push(resolve);
    });
  }

  answered(sequence: number): void {
    const batch = this.unanswered.get(sequence);
    if (batch === undefined) return;
    this.unanswered.delete(sequence);
    batch.answer();
  }

  /** Everything that is not confirmed fails, and so does what comes later. */
  close(error: YardmasterError): void {
    this.closed = error;
    this.failAll(this.inFlight, error);
  }

  private get isFull(): boolean {
    return this.unconfirmedBytes + (this.batch === null ? 0 : this.writer.bytes) >= MAX_UNCONFIRMED_BYTES;
  }

  private write(submission: Submission, ticket: Ticket): void {
    const batch = this.batch ?? this.begin();
    try {
      this.writer.add({ type: "submit", submission });
    } catch (error) {
      if (!(error instanceof YardmasterError)) throw error;
      return ticket.refuse(error);
    }
    batch.add(ticket);
    ticket.hasMissedNothing = true;
    this.tickets.track(ticket);
    if (this.writer.count >= this.maxFrameTasks || this.writer.bytes >= MAX_FRAME_BYTES) this.cut();
  }

  private begin(): Batch {
    this.sequence += 1;
    this.batch = new Batch(this.sequence);
    this.writer.begin(this.link.mailbox, this.shard, 0, this.sequence);
    if (!this.isRunning) {
      this.isRunning = true;
      void this.run();
    }
    return this.batch;
  }

  private cut(): void {
    const { batch } = this;
    if (batch === null) return;
    this.batch = null;
    if (this.writer.count === 0) return;
    const frame = this.writer.finish();
    this.unconfirmedBytes += frame.length;
    this.parcels.push({ frame, bytes: frame.length, batch });
    this.await(batch);
  }

  /** Those who wait for the oldest, once there are too many, ask the store in the next round. */
  private await(batch: Batch): void {
    this.unanswered.set(batch.sequence, batch);
    if (this.unanswered.size <= MAX_UNANSWERED) return;
    const [oldest] = this.unanswered.keys();
    if (oldest !== undefined) this.unanswered.delete(oldest);
  }

  private async run(): Promise<void> {
    // One microtask later everything that this turn submits is in the frame.
    await undefined;
    for (;;) {
      if (this.parcels.length === 0) this.cut();
      const { parcels } = this;
      if (parcels.length === 0) break;
      this.parcels = [];
      this.inFlight = parcels;
      await this.deliver(parcels);
      this.inFlight = [];
      this.admitOverflow();
    }
    this.isRunning = false;
    for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  private async deliver(parcels: readonly Parcel[]): Promise<void> {
    const acks = this.link.acks.take(this.mailbox);
    try {
      await this.sendUntilKnown(parcels, acks);
    } catch (error) {
      if (!(error instanceof YardmasterError)) throw error;
      this.link.acks.add(acks);
      this.failAll(parcels, error);
    }
  }

  /**
   * Rejects when nothing was written, or when nobody knows after GIVE_UP_MS. Once a send had no answer, the first copies
   * may have arrived: the next ones say that they are copies, and that the engine is full for these says nothing of those.
   */
  private async sendUntilKnown(parcels: readonly Parcel[], acks: readonly Delivery[]): Promise<void> {
    const { host } = this.link;
    let last = await this.trySend(parcels, acks, ["BROKER_UNAVAILABLE"]);
    if (last === null) return;
    const giveUpAt = host.monotonic() + GIVE_UP_MS;
    for (const parcel of parcels) parcel.frame = asCopies(parcel.frame);
    for (let delayMs = FIRST_RETRY_MS; last !== null; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      await pause(host, delayMs);
      if (this.closed !== null) throw this.closed;
      if (host.monotonic() >= giveUpAt) throw gaveUp(last);
      last = await this.trySend(parcels, acks, ["BROKER_UNAVAILABLE", "STORE_FULL"]);
      // What waits behind was never sent, so that this answer is for certain.
      if (last?.code === "STORE_FULL") this.failWaiting(last);
    }
  }

  /** Null when all is confirmed, else an error with one of these codes; rejects with any other. */
  private async trySend(
    parcels: readonly Parcel[],
    acks: readonly Delivery[],
    passing: readonly ErrorCode[],
  ): Promise<YardmasterError | null> {
    try {
      await this.send(parcels, acks);
      return null;
    } catch (error) {
      if (error instanceof YardmasterError && passing.includes(error.code)) return error;
      throw error;
    }
  }

  private async send(parcels: readonly Parcel[], acks: readonly Delivery[]): Promise<void> {
    const { broker } = this.link;
    const sends: Send[] = parcels.map(({ frame }) => ({ mailbox: this.mailbox, frame }));
    const outcomes = await broker.send(sends, acks);
    const gone = parcels.filter((_, index) => outcomes[index] === "gone");
    if (gone.length > 0) {
      await broker.declare(this.mailbox, { durable: true });
      const again = await broker.send(gone.map(({ frame }) => ({ mailbox: this.mailbox, frame })));
      if (again.includes("gone")) throw vanished(this.mailbox);
    }
    for (const { bytes, batch } of parcels) {
      this.unconfirmedBytes -= bytes;
      batch.confirm();
    }
  }

  private admitOverflow(): void {
    let admitted = 0;
    for (const { submission, ticket } of this.overflow) {
      if (this.isFull) break;
      admitted += 1;
      this.write(submission, ticket);
    }
    if (admitted > 0) this.overflow = this.overflow.slice(admitted);
    if (this.overflow.length > 0 || this.isFull) return;
    for (const resolve of this.roomWaiters.splice(0)) resolve();
  }

  /** One lane: when its head cannot be sent, what waits behind it cannot either. */
  private failAll(parcels: readonly Parcel[], error: YardmasterError): void {
    this.fail(parcels, error);
    this.failWaiting(error);
  }

  /** What has not been sent yet. */
  private failWaiting(error: YardmasterError): void {
    const { parcels, batch, overflow } = this;
    this.parcels = [];
    this.batch = null;
    this.overflow = [];
    this.fail(parcels, error);
    batch?.fail(error);
    for (const { ticket } of overflow) ticket.refuse(error);
    for (const resolve of this.roomWaiters.splice(0)) resolve();
  }

  private fail(parcels: readonly Parcel[], error: YardmasterError): void {
    for (const parcel of parcels) {
      this.unconfirmedBytes -= parcel.bytes;
      this.unanswered.delete(parcel.batch.sequence);
      parcel.batch.fail(error);
    }
  }
}

function asCopies(frame: Buffer): Buffer {
  const { envelopes, ...header } = decodeFrame(frame);
  return encodeFrame({
    ...header,
    envelopes: envelopes.map((envelope) =>
      envelope.type === "submit"
        ? { ...envelope, submission: { ...envelope.submission, copy: true } }
        : envelope,
    ),
  });
}

function gaveUp(cause: YardmasterError): YardmasterError {
  return new YardmasterError(
    "BROKER_UNAVAILABLE",
    `The broker did not confirm the task within ${GIVE_UP_MS / 1000} s, so nobody knows whether it has it: ` +
      `submit again, with the same idempotencyKey if it must not run twice. (${cause.message})`,
    { cause },
  );
}

function vanished(mailbox: string): YardmasterError {
  return new YardmasterError(
    "BROKER_UNAVAILABLE",
    `The mailbox ${mailbox} was deleted while it was in use; it is declared again with the next try.`,
  );
}
