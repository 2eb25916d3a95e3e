import type { Receiver } from "../src/brokers/broker.ts";
import { controlLane, type Engine, submitLane } from "../src/engine.ts";
import type { Change } from "../src/protocol/change.ts";
import type { Envelope, Frame, ToClient } from "../src/protocol/envelope.ts";
import { decodeFrame, encodeFrame } from "../src/protocol/frame.ts";
import type { State, Submission, TaskRecord } from "../src/protocol/task.ts";
import type { Lease } from "../src/stores/store.ts";

/** A shard's dispatcher, played by a test: it records what clients send and says what the test tells it to. */
export class PlayedDispatcher {
  readonly frames: Frame[] = [];
  readonly control: Envelope[] = [];
  readonly lease: Lease;
  private readonly engine: Engine;
  private readonly receivers: Receiver[] = [];
  private commits = 0;

  private constructor(engine: Engine, lease: Lease) {
    this.engine = engine;
    this.lease = lease;
  }

  static async start(engine: Engine, replacing?: Lease): Promise<PlayedDispatcher> {
    const options = replacing === undefined ? {} : { replacing: replacing.epoch };
    const lease = await engine.store.acquire(0, "played", 3_600_000, options);
    if (lease === null) throw new Error("the shard is owned");
    const dispatcher = new PlayedDispatcher(engine, lease);
    await dispatcher.open();
    return dispatcher;
  }

  get submissions(): Submission[] {
    return this.frames.flatMap(({ envelopes }) =>
      envelopes.flatMap((envelope) => (envelope.type === "submit" ? [envelope.submission] : [])),
    );
  }

  of<T extends Envelope["type"]>(type: T): Extract<Envelope, { type: T }>[] {
    const isType = (envelope: Envelope): envelope is Extract<Envelope, { type: T }> => envelope.type === type;
    return this.control.filter(isType);
  }

  /** The mailboxes of the clients that live. */
  mailboxes(): Promise<string[]> {
    return this.engine.broker.mailboxes("client:");
  }

  async tell(
    mailbox: string,
    ...envelopes: (ToClient | Extract<Envelope, { type: "answered" }>)[]
  ): Promise<void> {
    const frame = encodeFrame({ from: "", shard: 0, epoch: this.lease.epoch, sequence: 0, envelopes });
    await this.engine.broker.send([{ mailbox, frame }]);
  }

  /** Answers every submit frame so far. */
  async answerAll(): Promise<void> {
    for (const { from, sequence } of this.frames) await this.tell(from, { type: "answered", sequence });
  }

  async settle(submission: Submission, end: Partial<Extract<Envelope, { type: "settled" }>>): Promise<void> {
    const { id, replyTo } = submission;
    const result = end.result ?? null;
    const resultBytes = end.resultBytes ?? result?.length ?? 0;
    const plain = { type: "settled", id, state: "succeeded", code: "", attempt: 1, error: null } as const;
    await this.tell(replyTo, { ...plain, ...end, result, resultBytes });
  }

  async keep(...changes: Change[]): Promise<void> {
    this.commits += 1;
    await this.engine.store.commit(this.lease, this.commits, changes);
  }

  /** Keeps a submission's record in the given state. */
  keepTask(
    submission: Submission,
    state: State,
    end: Partial<TaskRecord> & { readonly result?: string } = {},
  ): Promise<void> {
    const { result = null, ...fields } = end;
    const task = { ...recordFor(submission), state, ...fields };
    const keepUntil = result === null && state === "ready" ? 0 : Number.MAX_SAFE_INTEGER;
    const { payload } = submission;
    return this.keep({ type: "insert", task, payload, parked: false, result, keepUntil });
  }

  async close(): Promise<void> {
    for (const receiver of this.receivers) await receiver.close();
  }

  private async open(): Promise<void> {
    const { broker } = this.engine;
    await broker.declare(controlLane(0), { durable: false });
    await broker.declare(submitLane(0), { durable: true });
    void this.drain(await broker.receive(submitLane(0)), (frame) => this.frames.push(frame));
    void this.drain(await broker.receive(controlLane(0)), (frame) => this.control.push(...frame.envelopes));
  }

  private async drain(receiver: Receiver, take: (frame: Frame) => void): Promise<void> {
    this.receivers.push(receiver);
    for (;;) {
      const deliveries = await receiver.take({ frames: 100, bytes: 64 * 1024 * 1024 });
      if (deliveries.length === 0) return;
      for (const { frame } of deliveries) take(decodeFrame(frame));
      await this.engine.broker.send([], deliveries);
    }
  }
}

function recordFor(submission: Submission): TaskRecord {
  const { id, spec, priority, replyTo, retryOf, payload } = submission;
  return {
    id,
    spec,
    state: "ready",
    priority,
    attempt: 0,
    epoch: 0,
    deaths: 0,
    runAt: 0,
    expiresAt: 0,
    submittedAt: 1_700_000_000_000,
    startedAt: 0,
    finishedAt: 0,
    worker: "",
    replyTo,
    retryOf,
    key: "",
    cancelRequested: false,
    code: "",
    error: null,
    aliasOf: "",
    terms: null,
    payloadBytes: payload.length,
  };
}
