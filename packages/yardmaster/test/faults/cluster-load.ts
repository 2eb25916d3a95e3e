import { setTimeout as pause } from "node:timers/promises";
import { defineTask, type TaskDefinition } from "../../src/definition.ts";
import { isCode, YardmasterError } from "../../src/protocol/errors.ts";
import { shardOfQueue } from "../../src/protocol/shards.ts";
import type { Yard } from "../../src/yard.ts";
import { type Work, type Worked, work } from "./fault-tasks.ts";

/** Tasks a second of each shard: far below what any engine can do, so that the machine does not matter. */
const RATE = 50;
const STEP_MS = 20;
/** Of each shard: what waits for a server that is away is not heaped up. */
const MAX_IN_FLIGHT = 100;
const AGAIN_MS = 50;
const POLL_MS = 20;

/** A client that submits tasks of every shard at a steady rate, waits for each, and counts. */
export class Load {
  /** By shard. */
  readonly done: number[];
  acknowledged = 0;
  wrong = 0;
  readonly failures: string[] = [];
  readonly #yard: Yard;
  readonly #definitions: readonly TaskDefinition<Work, Worked>[];
  readonly #inFlight: Set<Promise<void>>[];
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();
  #steps = 0;
  #number = 0;

  constructor(yard: Yard, shards: number) {
    const all = Array.from({ length: shards }, (_, shard) => shard);
    this.#yard = yard;
    this.done = all.map(() => 0);
    this.#inFlight = all.map(() => new Set());
    this.#definitions = all.map((shard) => {
      const names = Array.from({ length: 50 }, (_, number) => `queue-${number}`);
      const queue = names.find((name) => shardOfQueue(name, shards) === shard) ?? "";
      return defineTask<Work, Worked>({ name: work.name, queue, attempts: 10 });
    });
    this.#timer = setInterval(() => this.#step(), STEP_MS);
  }

  /** Resolves when so many more tasks are done of each of these shards; rejects when that takes too long. */
  async goesOn(shards: readonly number[], count: number, withinMs: number): Promise<void> {
    const wanted = shards.map((shard) => ({ shard, done: (this.done[shard] ?? 0) + count }));
    const until = performance.now() + withinMs;
    for (;;) {
      const behind = wanted.filter(({ shard, done }) => (this.done[shard] ?? 0) < done);
      if (behind.length === 0) return;
      if (performance.now() > until) {
        const missing = behind.map(
          ({ shard, done }) => `${done - (this.done[shard] ?? 0)} of shard ${shard}`,
        );
        throw new Error(`After ${withinMs} ms there are tasks missing: ${missing.join(", ")}.`);
      }
      await pause(POLL_MS);
    }
  }

  /** Submits no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Submits no more, and resolves when all that was submitted has ended. */
  async end(): Promise<void> {
    this.stop();
    await Promise.all(this.#inFlight.flatMap((tasks) => [...tasks]));
  }

  #step(): void {
    const due = ((performance.now() - this.#startedAt) / 1_000) * RATE;
    for (; this.#steps < due; this.#steps += 1) {
      for (const [shard, definition] of this.#definitions.entries()) {
        const inFlight = this.#inFlight[shard];
        if (inFlight === undefined || inFlight.size >= MAX_IN_FLIGHT) continue;
        this.#number += 1;
        const one = this.#once(definition, shard, this.#number).finally(() => inFlight.delete(one));
        inFlight.add(one);
      }
    }
  }

  async #once(definition: TaskDefinition<Work, Worked>, shard: number, number: number): Promise<void> {
    for (;;) {
      try {
        // The key makes the repetition of a submission with unknown outcome the same task.
        const task = await this.#yard.submit(
          definition,
          { number, until: "" },
          { idempotencyKey: `${number}` },
        );
        this.acknowledged += 1;
        const { doubled } = await task.result();
        if (doubled !== number * 2) this.wrong += 1;
        else this.done[shard] = (this.done[shard] ?? 0) + 1;
        return;
      } catch (error) {
        const isPassing = error instanceof YardmasterError && error.retryable;
        if (!isPassing) this.failures.push(`${number}: ${String(error)}`);
        if (!isPassing || isCode(error, "CLOSED")) return;
        await pause(AGAIN_MS);
      }
    }
  }
}
