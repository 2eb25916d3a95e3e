/**
 * A broker carries frames between processes through mailboxes.
 *
 * Delivery is at least once and in order of arrival within a mailbox as long as nobody crashes. A frame is
 * opaque here. Every adapter passes the suite in `testing/broker-suite.ts`.
 */
export interface Broker {
  /** Creates a mailbox; nothing happens when it exists. A transient one may lose what it holds with the engine. */
  declare(mailbox: string, options: { readonly durable: boolean }): Promise<void>;
  /** Deletes a mailbox and all that it holds; nothing happens when there is none. */
  remove(mailbox: string): Promise<void>;
  /**
   * Sends frames, then acknowledges `acks`; the answer says for each frame whether it is safe in its mailbox
   * (`confirmed`) or there is no such mailbox (`gone`). An acknowledgement takes effect only after every send was
   * answered, in one transaction where the engine has them. One that comes after its receiver was closed may have no
   * effect: then the frame is delivered again. Rejects with STORE_FULL when nothing was sent, with BROKER_UNAVAILABLE
   * when that is unknown too: the caller sends the same again.
   */
  send(sends: readonly Send[], acks?: readonly Delivery[]): Promise<SendOutcome[]>;
  /**
   * Opens the only receiver of a mailbox. Frames that wait there unacknowledged are delivered (again) first. Goes on
   * when the mailbox is removed and declared again, and when the connection to the engine is lost and comes back
   * (what is unacknowledged is then delivered again); rejects with BROKER_UNAVAILABLE when there is none now.
   */
  receive(mailbox: string): Promise<Receiver>;
  /** Sends a frame that may be lost, without waiting; never throws. */
  publish(mailbox: string, frame: Uint8Array): void;
  /** How many frames wait in a mailbox, delivered but unacknowledged ones included; 0 when there is none. */
  depth(mailbox: string): Promise<number>;
  /**
   * Names of mailboxes that start with a prefix. An engine that cannot list them names those that this object declared,
   * and ends abandoned ones by itself.
   */
  mailboxes(prefix: string): Promise<string[]>;
  /**
   * In which part of the engine a frame is, or would be: parts fail by themselves, as the masters of a Cluster do, so
   * that what is of one should not go in one call with what is of another. Absent where all is in one.
   */
  readonly partOf?: (frame: Pick<Delivery, "mailbox"> & Partial<Pick<Delivery, "tag">>) => number;
  readonly presence: Presence;
  /** Absent where the engine cannot send in a transaction of the caller's. */
  readonly transactional?: Transactional;
}

/** Sends in a transaction of the caller's, on whatever connection to the same database. */
export interface Transactional {
  /**
   * The statement that sends a frame if and only if the transaction commits that it runs in. It makes a durable
   * mailbox where there is none. `mark` is the frame's name for `waits`, and no other frame has it.
   */
  statement(mailbox: string, frame: Uint8Array, mark: string): SqlStatement;
  /** Whether the frame of that mark was committed and is not acknowledged yet. Rejects with BROKER_UNAVAILABLE. */
  waits(mailbox: string, mark: string): Promise<boolean>;
  /** Lets the receiver look, as nothing tells it of the commit but its own look each second. May be in vain; never throws. */
  nudge(mailbox: string): void;
}

export interface SqlStatement {
  readonly sql: string;
  readonly params: readonly (string | Uint8Array)[];
}

export interface Send {
  readonly mailbox: string;
  readonly frame: Uint8Array;
}

export type SendOutcome = "confirmed" | "gone";

export interface Delivery {
  readonly mailbox: string;
  /** The adapter's own mark of the frame, for the acknowledgement. */
  readonly tag: number | string;
  readonly frame: Uint8Array;
  /** Somebody may have seen this frame before: it was there when this receiver was opened, or came back. */
  readonly redelivered: boolean;
  /** Its signature holds, and another process than this one made it; absent where nothing is signed. */
  readonly isForeign?: boolean;
}

export interface Receiver {
  /**
   * Resolves with the next frames in order, at least one and within the limits (one frame alone may be over
   * `bytes`); with none once the receiver is closed. One call at a time.
   */
  take(limits: { readonly frames: number; readonly bytes: number }): Promise<Delivery[]>;
  /** Stops receiving. What is unacknowledged is delivered again to the next receiver. */
  close(): Promise<void>;
}

/**
 * Knows which processes live, by something the engine drops within moments of a process's death. A hint:
 * heartbeats and leases remain the rule.
 */
export interface Presence {
  /** Absence means that the process is dead; otherwise it may only have lost its connection for a moment. */
  readonly provesDeath: boolean;
  /**
   * Shows `name` as present until this process ends or `release` is called. Where that can be lost with a connection,
   * it is taken again by itself, and `changed` is told `false` when it is lost and `true` when it is held again.
   */
  hold(name: string, changed?: (isHeld: boolean) => void): Promise<() => Promise<void>>;
  /**
   * Those of `names` that were present in the present life of the engine and whose holder is gone. A name that nobody
   * is known to have held since the engine started is not absent while its holder may still be coming back: nobody is
   * declared dead for the engine's sake.
   * Rejects with BROKER_UNAVAILABLE.
   */
  absent(names: readonly string[]): Promise<string[]>;
}
