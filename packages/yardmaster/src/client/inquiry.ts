import type { Cancel, Host } from "../host.ts";
import type { StoredTask } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { shardOf } from "../protocol/ids.ts";
import type { TaskId } from "../protocol/task.ts";
import type { ReadAnswer, Store } from "../stores/store.ts";
import type { ControlLane } from "./control-lane.ts";
import { isRefusal, settlementOf } from "./settlement.ts";
import type { Ticket } from "./ticket.ts";
import type { Tickets } from "./tickets.ts";
import { txOpen } from "./transaction.ts";

/** One read of the store asks for so many tasks, */
const MAX_READ_TASKS = 200;
/** or for so many bytes of results whose size is known. */
const MAX_READ_BYTES = 8 * 1024 * 1024;
/** Half of how long a waiter may stay without asking again. */
const ROUND_MS = 15_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 10_000;
/** RabbitMQ was seen to bring a frame back after three minutes. */
const LOST_AFTER_MS = 300_000;

/**
 * Learns how tasks stand when no message says it: for handles opened by id, results too large for a message, and
 * waiters whose message may be lost. Asks the store in batches, then the dispatcher to report what is unfinished.
 */
export class Inquiry {
  private readonly host: Host;
  private readonly store: Store;
  private readonly tickets: Tickets;
  private readonly lanes: readonly ControlLane[];
  private readonly unheard: (since: number) => void;
  private readonly queue = new Map<Ticket, number>();
  private isRunning = false;
  private isClosed = false;
  private stopRound: Cancel | null = null;
  private stopRetry: Cancel | null = null;

  /** `unheard` is told since when a question waits for an answer that must have come by then. */
  constructor(
    host: Host,
    store: Store,
    tickets: Tickets,
    lanes: readonly ControlLane[],
    unheard: (since: number) => void,
  ) {
    this.unheard = unheard;
    this.host = host;
    this.store = store;
    this.tickets = tickets;
    this.lanes = lanes;
  }

  /** `resultBytes` is the size of the result where it is known. */
  ask(ticket: Ticket, resultBytes = 0): void {
    if (this.isClosed) return;
    this.queue.set(ticket, resultBytes);
    if (this.isRunning) return;
    this.isRunning = true;
    void this.run();
  }

  /** Asks for everything that is waited for in a shard: its news may have been lost. */
  askAll(shard: number): void {
    for (const ticket of this.tickets.waiting()) if (shardOf(ticket.target) === shard) this.ask(ticket);
  }

  /** Sees to it that waiters ask again at least every 30 s. */
  watchOver(): void {
    if (this.isClosed) return;
    this.stopRound ??= this.host.after(ROUND_MS, () => this.startRound());
  }

  close(): void {
    this.isClosed = true;
    this.stopRound?.();
    this.stopRetry?.();
    this.queue.clear();
  }

  private startRound(): void {
    this.stopRound = null;
    if (this.tickets.awaited === 0) return;
    this.tickets.round += 1;
    for (const ticket of this.tickets.waiting()) {
      if (this.tickets.round - ticket.round < 2) continue;
      ticket.round = this.tickets.round - 1;
      this.ask(ticket);
    }
    this.watchOver();
  }

  private async run(): Promise<void> {
    // One microtask later everything that this turn asks for is in the queue.
    await undefined;
    for (let delayMs = FIRST_RETRY_MS; this.queue.size > 0; ) {
      const tickets = this.takeSome();
      const answer = tickets.length === 0 ? null : await this.read(tickets);
      if (this.isClosed) return;
      if (answer === "later") {
        for (const ticket of tickets) this.queue.set(ticket, 0);
        await this.rest(delayMs);
        delayMs = Math.min(delayMs * 2, MAX_RETRY_MS);
      } else if (answer !== null) {
        delayMs = FIRST_RETRY_MS;
        await this.take(tickets, answer);
      }
    }
    this.isRunning = false;
  }

  private takeSome(): Ticket[] {
    const tickets: Ticket[] = [];
    let bytes = 0;
    for (const [ticket, resultBytes] of this.queue) {
      if (tickets.length >= MAX_READ_TASKS || (bytes > 0 && bytes + resultBytes > MAX_READ_BYTES)) break;
      this.queue.delete(ticket);
      if (ticket.interest === 0) continue;
      bytes += resultBytes;
      tickets.push(ticket);
    }
    return tickets;
  }

  /** The store's answer; `later` when it cannot be reached; null when it answered with a failure of its own. */
  private async read(tickets: readonly Ticket[]): Promise<ReadAnswer | "later" | null> {
    const ids = new Set<TaskId>(tickets.map(({ target }) => target));
    try {
      // Before the store: what has left its lane by then, the store knows.
      for (const ticket of tickets) await ticket.commit?.look();
      return await this.store.read({ ids: [...ids], bytes: true });
    } catch (error) {
      if (!(error instanceof YardmasterError)) throw error;
      if (error.retryable) return "later";
      for (const ticket of tickets) {
        this.tickets.untrack(ticket);
        ticket.fail(error);
      }
      return null;
    }
  }

  private async take(tickets: readonly Ticket[], answer: ReadAnswer): Promise<void> {
    const shards = new Set<number>();
    for (const ticket of tickets) {
      const stored = answer.tasks.get(ticket.target);
      const isOpen = stored === undefined ? this.takeMissing(ticket) : this.takeStored(ticket, stored);
      if (!isOpen || ticket.interest === 0) continue;
      const shard = shardOf(ticket.target);
      this.lanes[shard]?.add({ type: "watch", id: ticket.target });
      shards.add(shard);
    }
    // The next batch waits for this one to be sent, so that an unreachable broker piles up one batch at most.
    for (const shard of shards) await this.lanes[shard]?.idle();
  }

  /** Whether the dispatcher is to be asked. */
  private takeMissing(ticket: Ticket): boolean {
    // What was submitted here and is not answered yet still waits in its lane.
    const mayWait = ticket.batch !== null && !ticket.batch.answered && ticket.target === ticket.id;
    if (mayWait && ticket.mayBeUncommitted) {
      ticket.fail(txOpen(ticket.id));
      return false;
    }
    if (mayWait && ticket.isUnknown && !this.isLost(ticket)) {
      // The question overtook it. Its answer comes by itself; if not, the next round asks again.
      ticket.isUnknown = false;
      return false;
    }
    const hasOwner = this.lanes[shardOf(ticket.target)] !== undefined;
    if (hasOwner && !ticket.isUnknown) {
      this.suspect(ticket);
      return true;
    }
    this.tickets.untrack(ticket);
    ticket.fail(notFound(ticket.target));
    return false;
  }

  /** Of a task without a record every owner says something: where nothing has come for a round, the mailbox may be gone. */
  private suspect(ticket: Ticket): void {
    const now = this.host.monotonic();
    ticket.askedAt ??= now;
    if (now - ticket.askedAt < ROUND_MS) return;
    const since = ticket.askedAt;
    ticket.askedAt = now;
    this.unheard(since);
  }

  /** Whether no dispatcher has known it for longer than any engine brings a frame back. */
  private isLost(ticket: Ticket): boolean {
    const now = this.host.monotonic();
    ticket.unknownSince ??= now;
    return now - ticket.unknownSince >= LOST_AFTER_MS;
  }

  private takeStored(ticket: Ticket, stored: StoredTask): boolean {
    const { aliasOf, code } = stored.task;
    if (aliasOf !== "") {
      this.tickets.move(ticket, aliasOf);
      ticket.accept({ outcome: "duplicate", id: aliasOf });
      this.ask(ticket);
      return false;
    }
    if (!isRefusal(code)) {
      const outcome = ticket.target === ticket.id ? "created" : "duplicate";
      ticket.accept({ outcome, id: ticket.target });
    }
    const settlement = settlementOf(stored);
    if (settlement === null) return true;
    this.tickets.settle(ticket.target, settlement);
    ticket.settle(settlement);
    return false;
  }

  private rest(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.stopRetry = this.host.after(delayMs, resolve);
    });
  }
}

export function notFound(id: TaskId): YardmasterError {
  return new YardmasterError(
    "TASK_NOT_FOUND",
    `No task ${id} is known: it was never submitted to this yard, its record was kept for its time and removed, or the engine has lost it.`,
    { details: { id } },
  );
}
