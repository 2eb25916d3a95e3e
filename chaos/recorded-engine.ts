import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../packages/yardmaster/src/brokers/broker.ts";
import { openBroker, openEngine } from "../packages/yardmaster/src/connect.ts";
import type { Engine, EngineAddress } from "../packages/yardmaster/src/engine.ts";
import { pairEngines } from "../packages/yardmaster/src/pair.ts";
import type { Change, StoredItem } from "../packages/yardmaster/src/protocol/change.ts";
import { isCode } from "../packages/yardmaster/src/protocol/errors.ts";
import type { TaskRecord } from "../packages/yardmaster/src/protocol/task.ts";
import type { Lease, Store } from "../packages/yardmaster/src/stores/store.ts";
import type { Failpoints } from "./failpoints.ts";
import type { Recorder } from "./recorder.ts";

const PATIENCE_MS = 60_000;
const AGAIN_MS = 200;

/** A dispatcher's engine: writes down what it asks of the store, and fails at points. */
export async function openRecordedEngine(
  address: EngineAddress,
  recorder: Recorder,
  points: Failpoints,
): Promise<Engine> {
  if (typeof address === "string")
    return recordedEngine(await onceUp(() => openEngine(address)), recorder, points);
  const half = await onceUp(() => openBroker(address));
  const broker = acknowledgingLater(half.broker, points);
  const kept = recordedEngine(await onceUp(() => openEngine(address.store)), recorder, points);
  return pairEngines(
    { broker, report: () => half.report(), close: (options) => half.close(options) },
    kept,
    address,
  );
}

/** A process may start while a fault keeps its engine away, and waits as one with `--wait-for-engine` does. */
async function onceUp<T>(open: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const isAway = isCode(error, "BROKER_UNAVAILABLE") || isCode(error, "STORE_UNAVAILABLE");
      if (!isAway || performance.now() > until) throw error;
      await pause(AGAIN_MS);
    }
  }
}

function recordedEngine(engine: Engine, recorder: Recorder, points: Failpoints): Engine {
  const calls = new RecordedCalls(recorder, points);
  const store = recordedStore(engine.store, calls);
  const { broker, shards, commitsAside, url, outbox } = engine;
  return {
    broker,
    store,
    shards,
    commitsAside,
    url,
    ...(outbox === undefined ? {} : { outbox }),
    commit: (tick) => calls.commit(tick.lease, tick.sequence, tick.changes, () => engine.commit(tick)),
    report: () => engine.report(),
    close: (options) => engine.close(options),
  };
}

function recordedStore(store: Store, calls: RecordedCalls): Store {
  return {
    acquire: (shard, owner, ttlMs, options) =>
      calls.acquire(() => store.acquire(shard, owner, ttlMs, options)),
    renew: (lease, ttlMs) => store.renew(lease, ttlMs),
    release: (lease) => store.release(lease),
    holder: (shard) => store.holder(shard),
    commit: (lease, sequence, changes) =>
      calls.commit(lease, sequence, changes, () => store.commit(lease, sequence, changes)),
    load: (shard) => calls.load(shard, store.load(shard)),
    parked: (shard, limit) => store.parked(shard, limit),
    read: (query) => store.read(query),
    find: (filter) => store.find(filter),
  };
}

class RecordedCalls {
  readonly #recorder: Recorder;
  readonly #points: Failpoints;
  readonly #epochs = new Map<number, number>();
  #call = 0;

  constructor(recorder: Recorder, points: Failpoints) {
    this.#recorder = recorder;
    this.#points = points;
  }

  async acquire(acquire: () => Promise<Lease | null>): Promise<Lease | null> {
    const call = ++this.#call;
    this.#recorder.write({ type: "acquiring", call });
    const lease = await acquire();
    if (lease !== null) {
      this.#points.hit("acquire.after");
      this.#epochs.set(lease.shard, lease.epoch);
      this.#recorder.write({ type: "acquireEnd", call, lease });
    }
    return lease;
  }

  async commit<T>(
    lease: Lease,
    sequence: number,
    changes: readonly Change[],
    apply: () => Promise<T>,
  ): Promise<T> {
    const call = ++this.#call;
    this.#points.hit("commit.before");
    this.#recorder.write({ type: "committing", call, lease, sequence, changes });
    try {
      const answer = await apply();
      this.#points.hit("commit.after");
      if (changes.some(isAssignment)) this.#points.hit("assign.after");
      this.#recorder.write({ type: "commitEnd", call, outcome: "applied" });
      return answer;
    } catch (error) {
      this.#recorder.write({ type: "commitEnd", call, outcome: outcomeOf(error) });
      throw error;
    }
  }

  async *load(shard: number, batches: AsyncIterable<StoredItem[]>): AsyncGenerator<StoredItem[]> {
    const tasks: TaskRecord[] = [];
    for await (const batch of batches) {
      for (const item of batch) if (item.type === "task") tasks.push(item.task);
      yield batch;
    }
    this.#recorder.write({ type: "loaded", shard, epoch: this.#epochs.get(shard) ?? 0, tasks });
    this.#points.hit("load.after");
  }
}

function isAssignment(change: Change): boolean {
  return change.type === "update" && change.task.state === "assigned";
}

function outcomeOf(error: unknown): "fenced" | "refused" | "unknown" {
  if (isCode(error, "FENCED")) return "fenced";
  return isCode(error, "CONFLICT") || isCode(error, "STORE_FULL") ? "refused" : "unknown";
}

/** Sends and acknowledges in two calls, with a point in between. */
function acknowledgingLater(broker: Broker, points: Failpoints): Broker {
  return brokerWith(broker, {
    send: async (sends, acks = []) => {
      if (sends.length === 0 || acks.length === 0) return await broker.send(sends, acks);
      const outcomes = await broker.send(sends);
      points.hit("send.after");
      await broker.send([], acks);
      return outcomes;
    },
  });
}

/** A worker's broker: fails when it was given work, and around its reports of what has ended. */
export function reportingBroker(broker: Broker, points: Failpoints, hasReports: () => boolean): Broker {
  return brokerWith(broker, {
    send: async (sends, acks) => {
      const isReport = sends.length > 0 && hasReports();
      if (isReport) points.hit("report.before");
      const outcomes = await broker.send(sends, acks);
      if (isReport) points.hit("report.after");
      return outcomes;
    },
    receive: async (mailbox) => {
      const receiver = await broker.receive(mailbox);
      return {
        take: async (limits) => {
          const deliveries = await receiver.take(limits);
          if (deliveries.length > 0) points.hit("assigned");
          return deliveries;
        },
        close: () => receiver.close(),
      };
    },
  });
}

function brokerWith(broker: Broker, other: Partial<Pick<Broker, "send" | "receive">>): Broker {
  return {
    declare: (mailbox, options) => broker.declare(mailbox, options),
    remove: (mailbox) => broker.remove(mailbox),
    send: (sends, acks) => broker.send(sends, acks),
    receive: (mailbox) => broker.receive(mailbox),
    publish: (mailbox, frame) => broker.publish(mailbox, frame),
    depth: (mailbox) => broker.depth(mailbox),
    mailboxes: (prefix) => broker.mailboxes(prefix),
    presence: broker.presence,
    ...(broker.transactional === undefined ? {} : { transactional: broker.transactional }),
    ...other,
  };
}
