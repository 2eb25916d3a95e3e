import type { ByteString } from "./bytes.ts";
import type { Assign, Outcome, Settled } from "./envelope.ts";
import type { Epoch, Millis, TaskError, TaskId, TerminalState } from "./task.ts";

/*
 * The envelopes that outlive the turn that they were read or made in, one of each for every task, are instances. V8 watches
 * how many objects of a literal survive; where a collection happens to come behind a batch they all do, and from then on it
 * makes them in the old generation, where they keep all that they refer to until the next full collection. It does not
 * watch instances.
 */

export class KeptAssign implements Assign {
  readonly type = "assign";
  readonly id: TaskId;
  readonly attempt: number;
  readonly name: string;
  readonly version: number;
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly expiresAt: Millis;
  readonly payload: ByteString | null;
  readonly trace?: string;

  constructor(assign: Omit<Assign, "type" | "trace">, trace: string | undefined) {
    this.id = assign.id;
    this.attempt = assign.attempt;
    this.name = assign.name;
    this.version = assign.version;
    this.attempts = assign.attempts;
    this.timeoutMs = assign.timeoutMs;
    this.graceMs = assign.graceMs;
    this.expiresAt = assign.expiresAt;
    this.payload = assign.payload;
    if (trace !== undefined) this.trace = trace;
  }
}

export class KeptOutcome implements Outcome {
  readonly type = "outcome";
  readonly id: TaskId;
  readonly epoch: Epoch;
  readonly attempt: number;
  readonly kind: Outcome["kind"];
  readonly delayMs: number;
  readonly result: ByteString;
  readonly error: TaskError | null;
  readonly startedAt: Millis;

  /** Of which attempt it is, and how that ended: two arguments, so that nobody makes a literal of both. */
  constructor(
    of: Pick<Outcome, "id" | "epoch" | "attempt" | "startedAt">,
    end: Pick<Outcome, "kind" | "delayMs" | "result" | "error">,
  ) {
    this.id = of.id;
    this.epoch = of.epoch;
    this.attempt = of.attempt;
    this.kind = end.kind;
    this.delayMs = end.delayMs;
    this.result = end.result;
    this.error = end.error;
    this.startedAt = of.startedAt;
  }
}

export class KeptSettled implements Settled {
  readonly type = "settled";
  readonly id: TaskId;
  readonly state: TerminalState;
  readonly code: string;
  readonly attempt: number;
  readonly result: ByteString | null;
  readonly resultBytes: number;
  readonly error: TaskError | null;

  constructor(settled: Omit<Settled, "type">) {
    this.id = settled.id;
    this.state = settled.state;
    this.code = settled.code;
    this.attempt = settled.attempt;
    this.result = settled.result;
    this.resultBytes = settled.resultBytes;
    this.error = settled.error;
  }
}
