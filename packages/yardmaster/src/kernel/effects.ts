import type { Change } from "../protocol/change.ts";
import type { Envelope } from "../protocol/envelope.ts";

/** What the kernel wants done: commit the changes, then send. */
export interface Effects {
  readonly changes: readonly Change[];
  /** At most a few frames for each mailbox, in order. */
  readonly outgoing: readonly Outgoing[];
  /** How many parked tasks the kernel has room for and wants now; 0 for none. */
  readonly wantParked: number;
}

/** One frame to be. */
export interface Outgoing {
  readonly mailbox: string;
  /** The frame's sequence when it goes to a worker; 0 to a client. */
  readonly sequence: number;
  readonly envelopes: readonly Envelope[];
}
