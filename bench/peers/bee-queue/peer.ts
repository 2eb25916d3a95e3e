import { createRequire } from "node:module";
import type { NoopInput } from "../../tasks.ts";
import type { Peer } from "../peer.ts";

/** The part of Bee-Queue that is used here. */
type BeeQueue = new (name: string, settings: object) => Queue;

interface Job {
  readonly id: string;
  readonly data: NoopInput;
  save(): Promise<Job>;
}

interface Queue {
  createJob(data: NoopInput): Job;
  saveAll(jobs: readonly Job[]): Promise<ReadonlyMap<Job, Error>>;
  ready(): Promise<unknown>;
  on(event: "job succeeded", listen: (id: string, result: number) => void): void;
  on(event: "succeeded", listen: () => void): void;
  process(concurrency: number, handle: (job: Job) => Promise<number>): void;
  close(timeoutMs: number): Promise<void>;
}

const Queue = createRequire(import.meta.url)("bee-queue") as BeeQueue;
const NAME = "bench";

export const peer: Peer = {
  name: "bee-queue",
  engine: "redis",
  // A job's own events can come before its listener is there; the queue's cannot be missed by who keeps them.
  settings: "saveAll for backlogs, removeOnSuccess, the queue's own result events, no delayed jobs",
  openProducer: async (url) => {
    const queue = new Queue(NAME, { redis: { url }, isWorker: false, storeJobs: false });
    const waiting = new Map<string, (result: number) => void>();
    const early = new Map<string, number>();
    queue.on("job succeeded", (id, result) => {
      const settle = waiting.get(id);
      if (settle === undefined) early.set(id, result);
      else {
        waiting.delete(id);
        settle(result);
      }
    });
    await queue.ready();
    return {
      roundTrip: async (input) => {
        const { id } = await queue.createJob(input).save();
        const result = early.get(id);
        if (result === undefined) return await new Promise((resolve) => waiting.set(id, resolve));
        early.delete(id);
        return result;
      },
      submit: async (inputs) => {
        const errors = await queue.saveAll(inputs.map((input) => queue.createJob(input)));
        if (errors.size > 0) throw new Error(`${errors.size} jobs were not saved`);
        early.clear();
      },
      close: () => queue.close(1_000),
    };
  },
  openWorker: async (url, slots) => {
    let ended = 0;
    const queue = new Queue(NAME, { redis: { url }, removeOnSuccess: true, getEvents: false });
    queue.on("succeeded", () => {
      ended += 1;
    });
    await queue.ready();
    queue.process(slots, async ({ data }) => data.n);
    return {
      get ended(): number {
        return ended;
      },
      close: () => queue.close(1_000),
    };
  },
};
