import type { YardmasterError } from "../protocol/errors.ts";

/** A submission of a batch, as far as the batch knows it. */
export interface Member {
  batch: Batch | null;
  confirm(): void;
  refuse(error: YardmasterError): void;
  batchAnswered(): void;
}

/** The submissions of one frame, which are confirmed and answered as one. */
export class Batch {
  readonly sequence: number;
  /** Emptied by the confirmation: a batch that waits for its answer keeps no task in memory. */
  private tickets: Member[] = [];
  private askers: Member[] = [];
  /** A dispatcher has committed every submission of the frame. */
  answered = false;

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  add(ticket: Member): void {
    this.tickets.push(ticket);
    ticket.batch = this;
  }

  get size(): number {
    return this.tickets.length;
  }

  /** The broker has the frame. */
  confirm(): void {
    const { tickets } = this;
    this.tickets = [];
    for (const ticket of tickets) ticket.confirm();
  }

  /** Nobody knows whether the broker has the frame, or it surely does not. */
  fail(error: YardmasterError): void {
    const { tickets } = this;
    this.tickets = [];
    for (const ticket of tickets) ticket.refuse(error);
  }

  /** Tells `ticket` when the frame is answered. */
  tell(ticket: Member): void {
    this.askers.push(ticket);
  }

  answer(): void {
    this.answered = true;
    const { askers } = this;
    this.askers = [];
    for (const ticket of askers) ticket.batchAnswered();
  }
}
