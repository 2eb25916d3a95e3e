import type { TaskEvent } from "../protocol/envelope.ts";
import type { YardmasterError } from "../protocol/errors.ts";
import type { TaskId } from "../protocol/task.ts";
import { TurnoverMap } from "../protocol/turnover-map.ts";
import type { Acceptance } from "./handle.ts";
import type { Settlement } from "./settlement.ts";
import type { Ticket } from "./ticket.ts";

/** How many tickets that nobody waits for (yet) are kept findable: of a million unawaited tasks, all others take no memory. */
const MAX_IDLE = 16_384;

/** Finds the tickets of a message by task id. */
export class Tickets {
  private readonly byTarget = new TurnoverMap<TaskId, Ticket>();
  private size = 0;
  /** Walks on from the oldest ticket; only used once there are too many. */
  private oldest: Iterator<Ticket> | null = null;
  /** How many tickets somebody waits for. */
  awaited = 0;
  /** Rises with each round of asking again. */
  round = 0;

  find(target: TaskId): Ticket | undefined {
    return this.byTarget.get(target);
  }

  /** Hot: once for each submission. */
  track(ticket: Ticket): void {
    if (ticket.isTracked) return;
    ticket.isTracked = true;
    ticket.next = this.byTarget.get(ticket.target) ?? null;
    this.byTarget.set(ticket.target, ticket);
    this.size += 1;
    if (this.size - this.awaited > MAX_IDLE) this.dropOldestIdle();
  }

  untrack(ticket: Ticket): void {
    if (!ticket.isTracked) return;
    ticket.isTracked = false;
    ticket.hasMissedNothing = false;
    this.size -= 1;
    this.unlink(ticket);
    ticket.next = null;
  }

  /** A duplicate: whatever waits for it waits for the first task from now on. */
  move(ticket: Ticket, target: TaskId): void {
    const isTracked = ticket.isTracked;
    this.untrack(ticket);
    ticket.target = target;
    if (isTracked) this.track(ticket);
  }

  settle(target: TaskId, settlement: Settlement): void {
    for (let ticket = this.takeAll(target); ticket !== null; ) {
      const { next } = ticket;
      ticket.next = null;
      ticket.settle(settlement);
      ticket = next;
    }
  }

  fail(target: TaskId, error: YardmasterError): void {
    for (let ticket = this.takeAll(target); ticket !== null; ) {
      const { next } = ticket;
      ticket.next = null;
      ticket.fail(error);
      ticket = next;
    }
  }

  /** The task was taken under this id, or is known to be a copy of another. */
  accept(id: TaskId, acceptance: Acceptance): Ticket[] {
    const tickets = this.chain(id);
    for (const ticket of tickets) {
      if (acceptance.id !== id) this.move(ticket, acceptance.id);
      ticket.accept(acceptance);
    }
    return tickets;
  }

  report(target: TaskId, event: TaskEvent): void {
    for (let ticket = this.byTarget.get(target) ?? null; ticket !== null; ticket = ticket.next) {
      ticket.report(event);
    }
  }

  /** All tickets of a target, as a list that stays as it is. */
  chain(target: TaskId): Ticket[] {
    const tickets: Ticket[] = [];
    for (let ticket = this.byTarget.get(target) ?? null; ticket !== null; ticket = ticket.next) {
      tickets.push(ticket);
    }
    return tickets;
  }

  /** Those that somebody waits for. */
  *waiting(): Generator<Ticket> {
    for (const first of this.byTarget.values()) {
      for (let ticket: Ticket | null = first; ticket !== null; ticket = ticket.next) {
        if (ticket.interest > 0) yield ticket;
      }
    }
  }

  failAll(error: YardmasterError): void {
    for (const target of [...this.byTarget.keys()]) this.fail(target, error);
  }

  private takeAll(target: TaskId): Ticket | null {
    const first = this.byTarget.get(target);
    if (first === undefined) return null;
    this.byTarget.delete(target);
    for (let ticket: Ticket | null = first; ticket !== null; ticket = ticket.next) {
      ticket.isTracked = false;
      this.size -= 1;
    }
    return first;
  }

  private unlink(gone: Ticket): void {
    const first = this.byTarget.get(gone.target);
    if (first === gone) {
      if (gone.next === null) this.byTarget.delete(gone.target);
      else this.byTarget.set(gone.target, gone.next);
      return;
    }
    for (let ticket = first; ticket !== undefined && ticket !== null; ticket = ticket.next ?? undefined) {
      if (ticket.next === gone) ticket.next = gone.next;
    }
  }

  private dropOldestIdle(): void {
    for (let looked = 0; looked < this.byTarget.size; looked += 1) {
      this.oldest ??= this.byTarget.values();
      const { done, value: ticket } = this.oldest.next();
      if (done) {
        this.oldest = null;
      } else if (ticket.interest === 0) {
        this.untrack(ticket);
        return;
      }
    }
  }
}
