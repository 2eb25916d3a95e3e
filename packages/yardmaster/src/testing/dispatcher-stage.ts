import type { Receiver } from "../brokers/broker.ts";
import type { Alarm } from "../dispatcher/alarm.ts";
import { type Dispatcher, type DispatcherOptions, startDispatcherOn } from "../dispatcher/dispatcher.ts";
import { controlLane, type Engine } from "../engine.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import type { Envelope, Frame, Outcome } from "../protocol/envelope.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { createTaskIds, type TaskIds } from "../protocol/ids.ts";
import type { Submission, TaskId, TaskSpec } from "../protocol/task.ts";
import { createManualHost, type ManualHost } from "./manual-host.ts";

export const SPEC: TaskSpec = {
  name: "resize",
  queue: "default",
  version: 1,
  attempts: 3,
  backoff: { type: "fixed", baseMs: 1_000, jitter: "none" },
  timeoutMs: 60_000,
  graceMs: 5_000,
  delivery: "at-least-once",
  keepResultMs: 86_400_000,
  keepFailureMs: 604_800_000,
};

export interface StagedDispatcher {
  readonly engine: MemoryEngine;
  readonly dispatcher: Dispatcher;
}

export type DispatcherChanges = Partial<Pick<DispatcherOptions, "limits" | "times">> & {
  /** Puts faults between the dispatcher and its engine. */
  readonly wrap?: (engine: Engine) => Engine;
};

/** A yard in memory, whose clients and workers are played by hand. */
export class Stage {
  readonly host: ManualHost = createManualHost();
  readonly world: MemoryWorld;
  readonly alarms: Alarm[] = [];
  readonly ids: TaskIds = createTaskIds(this.host);
  readonly #started: Dispatcher[] = [];

  constructor({ shards = 1 }: { readonly shards?: number } = {}) {
    this.world = createMemoryWorld(this.host, { shards });
  }

  async dispatcher(owner: string, changes: DispatcherChanges = {}): Promise<StagedDispatcher> {
    const { wrap = (engine: Engine) => engine, ...options } = changes;
    const engine = this.world.open(this.host);
    const onAlarm = (alarm: Alarm): void => void this.alarms.push(alarm);
    const dispatcher = await startDispatcherOn({
      engine: wrap(engine),
      host: this.host,
      owner,
      onAlarm,
      ...options,
    });
    this.#started.push(dispatcher);
    return { engine, dispatcher };
  }

  async actor(mailbox: string): Promise<Actor> {
    const engine = this.world.open(this.host);
    const release = await engine.broker.presence.hold(mailbox);
    await engine.broker.declare(mailbox, { durable: false });
    return new Actor(this.host, engine, mailbox, await engine.broker.receive(mailbox), release);
  }

  submission(changes: Partial<Submission> = {}): Submission {
    const base = {
      priority: 0,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 0,
      key: null,
      retryOf: "",
      replyTo: "",
      copy: false,
      terms: null,
    };
    return { ...base, id: this.ids.next(0), spec: SPEC, payload: "{}", ...changes };
  }

  /** The codes of the alarms so far. */
  get codes(): string[] {
    return this.alarms.map(({ code }) => code);
  }

  async close(): Promise<void> {
    const closed = Promise.allSettled(this.#started.map((one) => one.close({ timeoutMs: 1 })));
    await this.host.advance(10_000);
    await closed;
  }
}

/** A process that is no dispatcher: says and hears frames. */
export class Actor {
  readonly engine: MemoryEngine;
  readonly mailbox: string;
  readonly heard: Frame[] = [];
  /** Lets go of the presence as a lost connection does. */
  readonly losePresence: () => Promise<void>;
  readonly #host: ManualHost;
  #sequence = 0;
  #heartbeats = 0;

  constructor(
    host: ManualHost,
    engine: MemoryEngine,
    mailbox: string,
    receiver: Receiver,
    losePresence: () => Promise<void>,
  ) {
    this.#host = host;
    this.engine = engine;
    this.mailbox = mailbox;
    this.losePresence = losePresence;
    void this.#listen(engine, receiver);
  }

  /** Sends one frame and lets everything happen that follows from it; answers its sequence. */
  async say(lane: string, envelopes: Envelope[], epoch = 0): Promise<number> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    const frame = encodeFrame({ from: this.mailbox, shard: 0, epoch, sequence, envelopes });
    const [outcome] = await this.engine.broker.send([{ mailbox: lane, frame }]);
    if (outcome !== "confirmed") throw new Error(`There is no mailbox ${lane}.`);
    await this.#host.settle();
    return sequence;
  }

  async register(worker: string, credit = 10): Promise<void> {
    const tasks = [{ name: "resize", version: 1 }];
    await this.say(controlLane(0), [
      {
        type: "register",
        worker,
        mailbox: this.mailbox,
        credit,
        tasks,
        queues: [],
        labels: {},
        resources: {},
      },
    ]);
  }

  async beat(worker: string, credit = 10): Promise<void> {
    this.#heartbeats += 1;
    const number = this.#heartbeats;
    await this.say(controlLane(0), [{ type: "heartbeat", worker, number, credit, stalledMs: 0 }]);
  }

  /** Everything heard of one type, oldest first. */
  all<T extends Envelope["type"]>(type: T): Extract<Envelope, { type: T }>[] {
    return this.heard
      .flatMap((frame) => frame.envelopes)
      .filter((one): one is Extract<Envelope, { type: T }> => one.type === type);
  }

  /** The epoch of the last frame heard. */
  get epoch(): number {
    return this.heard.at(-1)?.epoch ?? 0;
  }

  succeed(id: TaskId, epoch: number, attempt = 1, result = "42"): Promise<number> {
    return this.say(controlLane(0), [succeeded(id, epoch, attempt, result)], epoch);
  }

  async #listen({ broker }: Engine, receiver: Receiver): Promise<void> {
    for (;;) {
      const batch = await receiver.take({ frames: 100, bytes: 1 << 20 });
      if (batch.length === 0) return;
      for (const delivery of batch) this.heard.push(decodeFrame(delivery.frame));
      await broker.send([], batch);
    }
  }
}

/** An engine whose presence goes with a connection. */
export function withoutProof(engine: Engine): Engine {
  const { hold, absent } = engine.broker.presence;
  return { ...engine, broker: { ...engine.broker, presence: { provesDeath: false, hold, absent } } };
}

export function succeeded(id: TaskId, epoch: number, attempt: number, result: string): Outcome {
  const base = { delayMs: 0, error: null, startedAt: 1 } as const;
  return { type: "outcome", id, epoch, attempt, kind: "succeeded", result, ...base };
}
