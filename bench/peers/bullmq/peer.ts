import { createRequire } from "node:module";
import type { NoopInput } from "../../tasks.ts";
import type { Peer } from "../peer.ts";

/** The part of BullMQ that is used here. */
interface BullMq {
  readonly Queue: new (name: string, options: object) => Queue;
  readonly QueueEvents: new (name: string, options: object) => QueueEvents;
  readonly Worker: new (name: string, handle: (job: Job) => Promise<number>, options: object) => Worker;
}

interface Job {
  readonly data: NoopInput;
  waitUntilFinished(events: QueueEvents): Promise<number>;
}

interface Queue {
  add(name: string, data: NoopInput): Promise<Job>;
  addBulk(jobs: readonly { readonly name: string; readonly data: NoopInput }[]): Promise<unknown>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface QueueEvents {
  waitUntilReady(): Promise<unknown>;
  setMaxListeners(count: number): void;
  close(): Promise<void>;
}

interface Worker {
  on(event: "completed", listen: () => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

const { Queue, QueueEvents, Worker } = createRequire(import.meta.url)("bullmq") as BullMq;
const NAME = "bench";

export const peer: Peer = {
  name: "bullmq",
  engine: "redis",
  settings:
    "addBulk for backlogs, the last 10,000 results kept, concurrency as many as in flight, waitUntilFinished",
  openProducer: async (url) => {
    const connection = { url };
    const defaultJobOptions = { removeOnComplete: { count: 10_000 }, removeOnFail: true };
    const queue = new Queue(NAME, { connection, defaultJobOptions });
    const events = new QueueEvents(NAME, { connection });
    events.setMaxListeners(0);
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    return {
      roundTrip: async (input) => (await queue.add("noop", input)).waitUntilFinished(events),
      submit: async (inputs) => {
        await queue.addBulk(inputs.map((data) => ({ name: "noop", data })));
      },
      close: async () => {
        await Promise.all([queue.close(), events.close()]);
      },
    };
  },
  openWorker: async (url, slots) => {
    let ended = 0;
    const worker = new Worker(NAME, async ({ data }) => data.n, { connection: { url }, concurrency: slots });
    worker.on("completed", () => {
      ended += 1;
    });
    await worker.waitUntilReady();
    return {
      get ended(): number {
        return ended;
      },
      close: () => worker.close(),
    };
  },
};
