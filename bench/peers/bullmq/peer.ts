import { createRequire } from "node:module";
import { RETRY_MS } from "../../mix.ts";
import type { NoopInput } from "../../payload.ts";
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

interface Bulk {
  readonly name: string;
  readonly data: NoopInput;
  readonly opts: object;
}

interface Queue {
  add(name: string, data: NoopInput, options?: object): Promise<Job>;
  addBulk(jobs: readonly Bulk[]): Promise<unknown>;
  waitUntilReady(): Promise<unknown>;
  setMaxListeners(count: number): void;
  close(): Promise<void>;
}

interface QueueEvents {
  waitUntilReady(): Promise<unknown>;
  setMaxListeners(count: number): void;
  close(): Promise<void>;
}

interface Worker {
  on(event: "completed", listen: (job: Job) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

const { Queue, QueueEvents, Worker } = createRequire(import.meta.url)("bullmq") as BullMq;
const NAME = "bench";
/** Nobody asks for what a backlog's jobs answered. */
const OF_A_BACKLOG = { removeOnComplete: true };

export const peer: Peer = {
  settings:
    "addBulk and removeOnComplete for backlogs, which no QueueEvents read; else the last 10,000 results kept and waitUntilFinished; concurrency as many as in flight",
  openProducer: async (url) => {
    const connection = { url };
    const defaultJobOptions = { removeOnComplete: { count: 10_000 }, removeOnFail: true };
    const queue = new Queue(NAME, { connection, defaultJobOptions });
    queue.setMaxListeners(0);
    await queue.waitUntilReady();
    let opening: Promise<QueueEvents> | null = null;
    const events = async (): Promise<QueueEvents> => {
      const opened = new QueueEvents(NAME, { connection });
      opened.setMaxListeners(0);
      await opened.waitUntilReady();
      return opened;
    };
    const listening = (): Promise<QueueEvents> => {
      opening ??= events();
      return opening;
    };
    return {
      roundTrip: async (input) => {
        const listened = await listening();
        return (await queue.add("noop", input)).waitUntilFinished(listened);
      },
      mixed: async ({ input, priority, delayMs, key, fails }) => {
        const listened = await listening();
        const options = {
          // The smaller goes first, and 0 before all.
          ...(priority > 0 ? { priority: 10 - priority } : {}),
          ...(delayMs > 0 ? { delay: delayMs } : {}),
          ...(key === null ? {} : { jobId: key }),
          ...(fails ? { attempts: 2, backoff: { type: "fixed", delay: RETRY_MS } } : {}),
        };
        return (await queue.add("noop", input, options)).waitUntilFinished(listened);
      },
      submit: async (inputs) => {
        await queue.addBulk(inputs.map((data) => ({ name: "noop", data, opts: OF_A_BACKLOG })));
      },
      close: async () => {
        await queue.close();
        await (await opening)?.close();
      },
    };
  },
  openWorker: async (url, slots, desk) => {
    const options = { connection: { url }, concurrency: slots };
    const worker = new Worker(NAME, async ({ data }) => desk.handle(data), options);
    worker.on("completed", ({ data }) => desk.ended(data.n));
    await worker.waitUntilReady();
    return { close: () => worker.close() };
  },
};
