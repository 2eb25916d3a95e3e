import { createRequire } from "node:module";
import { RETRY_MS } from "../../mix.ts";
import type { NoopInput } from "../../payload.ts";
import type { Peer } from "../peer.ts";

/** The part of Bee-Queue that is used here. */
type BeeQueue = new (name: string, settings: object) => Queue;

interface Job {
  readonly id: string;
  readonly data: NoopInput;
  setId(id: string): Job;
  retries(count: number): Job;
  backoff(strategy: "fixed", delayMs: number): Job;
  delayUntil(time: number): Job;
  save(): Promise<Job>;
}

interface Queue {
  createJob(data: NoopInput): Job;
  saveAll(jobs: readonly Job[]): Promise<ReadonlyMap<Job, Error>>;
  ready(): Promise<unknown>;
  on(event: "job succeeded", listen: (id: string, result: number) => void): void;
  on(event: "succeeded", listen: (job: Job) => void): void;
  on(event: "error", listen: (error: Error) => void): void;
  process(concurrency: number, handle: (job: Job) => Promise<number>): void;
  close(timeoutMs: number): Promise<void>;
}

const Queue = createRequire(import.meta.url)("bee-queue") as BeeQueue;
const NAME = "bench";

export const peer: Peer = {
  // A job's own events can come before its listener is there; the queue's cannot be missed by who keeps them.
  settings:
    "saveAll for backlogs, whose results nobody reads; removeOnSuccess, the queue's own result events; it has no priorities",
  openProducer: async (url) => {
    const settings = { redis: { url }, isWorker: false, storeJobs: false };
    // One without results for backlogs, one with them for all else.
    const queue = new Queue(NAME, { ...settings, getEvents: false });
    await queue.ready();
    let opening: Promise<Listening> | null = null;
    const listening = (): Promise<Listening> => {
      opening ??= Listening.open(new Queue(NAME, settings));
      return opening;
    };
    return {
      roundTrip: async (input) => {
        const results = await listening();
        return results.of(results.queue.createJob(input));
      },
      mixed: async ({ input, delayMs, key, fails }) => {
        const results = await listening();
        const job = results.queue.createJob(input);
        if (delayMs > 0) job.delayUntil(Date.now() + delayMs);
        if (key !== null) job.setId(key);
        if (fails) job.retries(1).backoff("fixed", RETRY_MS);
        return results.of(job);
      },
      submit: async (inputs) => {
        const errors = await queue.saveAll(inputs.map((input) => queue.createJob(input)));
        if (errors.size > 0) throw new Error(`${errors.size} jobs were not saved`);
      },
      close: async () => {
        await queue.close(1_000);
        await (await opening)?.queue.close(1_000);
      },
    };
  },
  openWorker: async (url, slots, desk) => {
    const settings = { redis: { url }, removeOnSuccess: true, getEvents: false, activateDelayedJobs: true };
    const queue = new Queue(NAME, settings);
    queue.on("succeeded", ({ data }) => desk.ended(data.n));
    await queue.ready();
    queue.process(slots, async ({ data }) => desk.handle(data));
    return { close: () => queue.close(1_000) };
  },
};

/** Results as they come by the queue's events, which may be before the job's own confirmation. */
class Listening {
  readonly queue: Queue;
  private readonly waiting = new Map<string, (result: number) => void>();
  private readonly early = new Map<string, number>();

  private constructor(queue: Queue) {
    this.queue = queue;
    queue.on("job succeeded", (id, result) => {
      const settle = this.waiting.get(id);
      if (settle === undefined) this.early.set(id, result);
      else {
        this.waiting.delete(id);
        settle(result);
      }
    });
  }

  static async open(queue: Queue): Promise<Listening> {
    await queue.ready();
    return new Listening(queue);
  }

  async of(job: Job): Promise<number> {
    const { id } = await job.save();
    const result = this.early.get(id);
    if (result === undefined) return await new Promise((resolve) => this.waiting.set(id, resolve));
    this.early.delete(id);
    return result;
  }
}
