import { answeredWithin } from "../deadline.ts";
import { type Engine, submitLane } from "../engine.ts";
import type { Host } from "../host.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { StoredTask } from "../protocol/change.ts";
import type { Envelope, Frame, ToDispatcher } from "../protocol/envelope.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { createTaskIds, randomId, shardOf, type TaskIds } from "../protocol/ids.ts";
import { clientMailbox } from "../protocol/mailbox.ts";
import {
  isTerminal,
  type Submission,
  type TaskId,
  type TaskRecord,
  type TerminalState,
} from "../protocol/task.ts";
import { ControlLane } from "./control-lane.ts";
import { Inbox, type InboxListener } from "./inbox.ts";
import { Inquiry, notFound } from "./inquiry.ts";
import { Acks, type Link } from "./link.ts";
import { ANSWER_MS, Requests } from "./requests.ts";
import { shardOfDraft } from "./routing.ts";
import { type Decoding, refusalOf } from "./settlement.ts";
import type { Draft } from "./submission.ts";
import { SubmitLane } from "./submit-lane.ts";
import { Ticket, type TicketHome } from "./ticket.ts";
import { Tickets } from "./tickets.ts";
import { cannotSubmitInside, type RunStatement } from "./transaction.ts";

/** Of its mailbox, which the record of every waiting task repeats: 80 random bits are enough to be the only one. */
const ID_LENGTH = 16;

/** Everything below a client's public calls: its mailbox, its lanes and what waits. */
export class Switchboard implements TicketHome, InboxListener {
  readonly host: Host;
  readonly requests: Requests;
  readonly engine: Engine;
  private readonly link: Link;
  private readonly ids: TaskIds;
  private readonly tickets = new Tickets();
  private readonly submitLanes: readonly SubmitLane[];
  private readonly controlLanes: readonly ControlLane[];
  private readonly inquiry: Inquiry;
  private readonly inbox: Inbox;
  /** By shard: the highest epoch that a frame came from, 0 before the first. */
  private readonly epochs: number[];
  /** When a frame came last, by the monotonic clock. */
  private heardAt: number = Number.NEGATIVE_INFINITY;
  private closed: YardmasterError | null = null;

  constructor(engine: Engine, host: Host) {
    const { broker, store, shards, commitsAside } = engine;
    const link = {
      broker,
      commitsAside,
      host,
      mailbox: clientMailbox(randomId(host).slice(0, ID_LENGTH)),
      acks: new Acks(broker, host),
    };
    const numbers = Array.from({ length: shards }, (_, shard) => shard);
    this.engine = engine;
    this.host = host;
    this.link = link;
    this.ids = createTaskIds(host);
    this.submitLanes = numbers.map((shard) => new SubmitLane(link, this.tickets, shard));
    this.controlLanes = numbers.map((shard) => new ControlLane(link, shard));
    let refreshedAt = Number.NEGATIVE_INFINITY;
    const unheard = (since: number): void => {
      // A mailbox can be swept away under a client that the engine has lost sight of. Whoever asks, once is enough.
      if (Math.max(this.heardAt, refreshedAt) >= since) return;
      refreshedAt = host.monotonic();
      void this.inbox.refresh();
    };
    this.requests = new Requests(host, this.controlLanes, unheard);
    this.inquiry = new Inquiry(host, store, this.tickets, this.controlLanes, unheard);
    this.inbox = new Inbox(link, this);
    this.epochs = numbers.map(() => 0);
  }

  /** The client is present and listens before anything can be submitted. */
  open(): Promise<void> {
    return this.inbox.open();
  }

  /** Submits a checked draft. Hot. */
  send(draft: Draft, decoding: Decoding): Promise<Ticket> {
    if (this.closed !== null) return Promise.reject(this.closed);
    const shard = shardOfDraft(draft, this.engine.shards);
    const id = this.ids.next(shard);
    const ticket = new Ticket(this, id, decoding);
    ticket.mayBeDuplicate = draft.key !== null;
    const confirmation = ticket.confirmation();
    this.submitLanes[shard]?.push(this.submissionOf(id, draft), ticket);
    return confirmation;
  }

  /** Ids in a row: that of a graph in this shard, then those of its tasks, so that the first leads to the others. */
  idsFor(shard: number, count: number): TaskId[] {
    this.throwIfClosed();
    return this.ids.series(shard, count);
  }

  /** As `send`, with an id of `idsFor`. */
  sendAs(id: TaskId, draft: Draft, decoding: Decoding): Promise<Ticket> {
    const ticket = new Ticket(this, id, decoding);
    const confirmation = ticket.confirmation();
    this.submitLanes[shardOf(id)]?.push(this.submissionOf(id, draft), ticket);
    return confirmation;
  }

  /** As `send`, in a transaction of the caller's. Throws UNSUPPORTED, and what `run` throws. */
  async sendInside(draft: Draft, decoding: Decoding, run: RunStatement): Promise<Ticket> {
    this.throwIfClosed();
    const { broker, outbox, shards } = this.engine;
    const transactional = broker.transactional ?? outbox?.transactional;
    if (transactional === undefined) throw cannotSubmitInside();
    const shard = shardOfDraft(draft, shards);
    const ticket = new Ticket(this, this.ids.next(shard), decoding);
    ticket.mayBeDuplicate = draft.key !== null;
    const submission = this.submissionOf(ticket.id, draft);
    const mailbox = transactional === outbox?.transactional ? outbox.mailbox(shard) : submitLane(shard);
    await this.submitLanes[shard]?.pushInside(submission, ticket, { transactional, mailbox }, run);
    return ticket;
  }

  /** Null while a submission of this draft would not have to wait. */
  room(draft: Draft): Promise<void> | null {
    return this.submitLanes[shardOfDraft(draft, this.engine.shards)]?.room() ?? null;
  }

  /** A handle for a task of which only the id is known. */
  ticketOf(id: TaskId, decoding: Decoding): Ticket {
    return new Ticket(this, id, decoding);
  }

  async stored(id: TaskId): Promise<StoredTask | null> {
    this.throwIfClosed();
    const { tasks } = await this.engine.store.read({ ids: [id], bytes: true });
    return tasks.get(id) ?? null;
  }

  /** The stored record, or that of the first task when this one is its duplicate. */
  async record(id: TaskId): Promise<TaskRecord | null> {
    const first = await this.stored(id);
    if (first === null || first.task.aliasOf === "") return first?.task ?? null;
    return (await this.stored(first.task.aliasOf))?.task ?? null;
  }

  ask(ticket: Ticket): void {
    this.inquiry.ask(ticket);
  }

  follow(ticket: Ticket): void {
    this.tickets.awaited += 1;
    if (this.closed !== null) {
      ticket.fail(this.closed);
      return;
    }
    ticket.round = this.tickets.round;
    this.inquiry.watchOver();
    this.tickets.track(ticket);
    if (!ticket.hasMissedNothing || ticket.mayBeUncommitted) this.inquiry.ask(ticket);
  }

  release(ticket: Ticket): void {
    this.tickets.awaited -= 1;
    if (!ticket.hasMissedNothing) this.tickets.untrack(ticket);
  }

  forget(ticket: Ticket): void {
    this.tickets.untrack(ticket);
  }

  /** What has ended needs no dispatcher; a duplicate's cancel is its first task's. */
  async cancel(submitted: TaskId, reason: string): Promise<TerminalState> {
    const id = await this.acceptedAs(submitted);
    const known = await this.cancelTarget(id);
    if (known !== null && isTerminal(known.state)) return known.state;
    const target = known?.id ?? id;
    if (!this.hasShardOf(target)) throw notFound(target);
    try {
      return await this.requestCancel(target, reason);
    } catch (error) {
      if (!isCode(error, "TASK_NOT_FOUND")) throw error;
      // Between the look and the cancel the dispatcher found out that it is a duplicate.
      const later = await this.cancelTarget(target);
      if (later === null || later.id === target) throw error;
      return this.requestCancel(later.id, reason);
    }
  }

  received({ shard, epoch, envelopes }: Frame): void {
    const before = this.epochs[shard];
    if (before === undefined) return;
    this.heardAt = this.host.monotonic();
    for (const envelope of envelopes) this.take(envelope, shard);
    if (epoch <= before) return;
    this.epochs[shard] = epoch;
    // The first epoch that is seen took over from nobody that this client has heard of.
    if (before > 0) this.startOver(shard);
  }

  /**
   * Whoever has never heard a dispatcher that it can trust, and now hears one that it cannot, has other keys than the yard:
   * nothing that it waits for will come.
   */
  distrusted(error: YardmasterError): void {
    if (this.heardAt !== Number.NEGATIVE_INFINITY || this.closed !== null) return;
    this.refuseMore(error);
    this.requests.close(error);
    for (const lane of this.submitLanes) lane.close(error);
    this.tickets.failAll(error);
  }

  /** A task's result as its worker wrote it. Throws PAYLOAD_UNREADABLE. */
  openResult(id: TaskId, result: ByteString): ByteString {
    return this.engine.vault?.open(result, { part: "result", id }) ?? result;
  }

  /** A task's payload as its client wrote it. Throws PAYLOAD_UNREADABLE. */
  openPayload({ task }: StoredTask, payload: ByteString): ByteString {
    return this.engine.vault?.openPayload(payload, task.id, task.spec.name) ?? payload;
  }

  reopened(): void {
    for (const shard of this.epochs.keys()) this.startOver(shard);
  }

  /** Resolves once every submission is confirmed or has failed. */
  async idle(): Promise<void> {
    await Promise.all(this.submitLanes.map((lane) => lane.idle()));
  }

  /** Takes no more; what is on its way goes on until `close`. */
  refuseMore(error: YardmasterError): void {
    this.closed = error;
  }

  /** Whatever still waits rejects with `error`. */
  close(error: YardmasterError): Promise<void> {
    this.closed = error;
    this.inquiry.close();
    this.requests.close(error);
    for (const lane of this.submitLanes) lane.close(error);
    this.tickets.failAll(error);
    return this.inbox.close();
  }

  /** Whether the yard has the shard that the id was made for. */
  hasShardOf(id: TaskId): boolean {
    return shardOf(id) < this.engine.shards;
  }

  throwIfClosed(): void {
    if (this.closed !== null) throw this.closed;
  }

  /** Hot. */
  private submissionOf(id: TaskId, draft: Draft): Submission {
    const { spec, priority, runAt, delayMs, expiresInMs, retryOf, terms } = draft;
    const { vault } = this.engine;
    const payload = vault === undefined ? draft.payload : vault.seal(draft.payload, { part: "payload", id });
    const key =
      vault === undefined || draft.key === null
        ? draft.key
        : { ...draft.key, inputHash: vault.fingerprint(draft.key.inputHash) };
    const replyTo = this.link.mailbox;
    const copy = false;
    const plain = {
      id,
      spec,
      priority,
      runAt,
      delayMs,
      expiresInMs,
      key,
      retryOf,
      replyTo,
      copy,
      terms,
      payload,
    };
    return draft.links === undefined ? plain : { ...plain, links: draft.links };
  }

  private startOver(shard: number): void {
    this.requests.repeat(shard);
    this.inquiry.askAll(shard);
  }

  private take(envelope: Envelope, shard: number): void {
    switch (envelope.type) {
      case "settled":
        this.takeSettled(envelope);
        break;
      case "answered":
        this.submitLanes[shard]?.answered(envelope.sequence);
        break;
      case "accepted":
        this.takeAccepted(envelope);
        break;
      case "event":
        this.tickets.report(envelope.id, envelope.event);
        break;
      case "unknown":
        this.takeUnknown(envelope.id);
        break;
      case "reply":
        this.requests.reply(envelope.request, envelope.ok, envelope.value);
        break;
      case "cancelDone":
        this.requests.resolve(envelope.request, envelope.state);
        break;
      default:
        // Nothing else is for clients; a newer dispatcher may say more.
        break;
    }
  }

  private takeSettled(settled: Extract<Envelope, { type: "settled" }>): void {
    const { id, result, resultBytes } = settled;
    if (result !== null || resultBytes === 0) {
      this.tickets.settle(id, settled);
      return;
    }
    for (const ticket of this.tickets.chain(id)) {
      if (ticket.interest > 0) this.inquiry.ask(ticket, resultBytes);
      // Nobody waits yet: whoever does later asks the store for it.
      else this.tickets.untrack(ticket);
    }
  }

  private takeAccepted({ id, outcome, of, code, message }: Extract<Envelope, { type: "accepted" }>): void {
    if (outcome === "refused") {
      this.tickets.fail(id, refusalOf(id, code, message));
      return;
    }
    for (const ticket of this.tickets.accept(id, { outcome, id: of })) {
      if (ticket.interest > 0) this.inquiry.ask(ticket);
    }
  }

  private takeUnknown(id: TaskId): void {
    this.requests.rejectCancels(id, notFound(id));
    for (const ticket of this.tickets.chain(id)) {
      ticket.isUnknown = true;
      this.inquiry.ask(ticket);
    }
  }

  /**
   * The task that a submission of this client's with an idempotency key stands for. A cancel that came before it would end
   * it alone, and not the first with its key. Without an answer, and where it was refused, it is nobody's copy.
   */
  private async acceptedAs(id: TaskId): Promise<TaskId> {
    const ticket = this.tickets.chain(id).find((one) => one.id === id && one.mayBeDuplicate);
    if (ticket === undefined) return id;
    try {
      return (await answeredWithin(this.host, ANSWER_MS, ticket.accepted())).id;
    } catch {
      return id;
    }
  }

  private async cancelTarget(id: TaskId): Promise<TaskRecord | null> {
    try {
      return await this.record(id);
    } catch (error) {
      if (!isCode(error, "STORE_UNAVAILABLE")) throw error;
      return null;
    }
  }

  private async requestCancel(id: TaskId, reason: string): Promise<TerminalState> {
    const build = (request: number): ToDispatcher => ({ type: "cancel", id, reason, request });
    const state = await this.requests.ask(shardOf(id), `cancel of ${id}`, build);
    // Only `cancelDone` resolves a cancel, and its state was checked when the frame was read.
    return state as TerminalState;
  }
}

export function clientClosed(): YardmasterError {
  return new YardmasterError(
    "CLOSED",
    "The yard was closed: what its tasks do now, another connection can ask.",
  );
}
