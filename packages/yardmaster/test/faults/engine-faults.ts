import { describe, expect, it, vi } from "vitest";
import type { Server } from "../../../../servers/server.ts";
import type { EngineAddress } from "../../src/engine.ts";
import { connect, type Yard } from "../../src/yard.ts";
import { startedFor } from "../server-tests.ts";
import { type Actor, Cast, median, rates } from "./actors.ts";

/** Servers that a test may kill, and a new yard on them. */
export interface EngineScene {
  readonly name: string;
  open(): Promise<{
    /** May be made from a folder. */
    readonly address: EngineAddress | ((folder: string) => EngineAddress);
    readonly servers: readonly Server[];
    stop(): Promise<void>;
  }>;
}

/** Tasks a second of each producer: far below what any engine can do, so that the machine does not matter. */
export const RATE = 100;
const CYCLES = 10;
const LOAD_MS = 2_000;
const DOWN_MS = 500;
const BACK_MS = 10_000;
/** Deafness is for ever; a busy machine is only slow. */
const HEARD_MS = 60_000;
const PATIENCE = { timeout: 20_000, interval: 50 };

/** What becomes of a yard under load when its engine's servers are killed and started again. */
export function engineFaults(scene: EngineScene): void {
  describe(`${scene.name} killed under load`, () => {
    it("loses nothing that was acknowledged, and everybody comes back", {
      timeout: 600_000,
    }, async (context) => {
      const { address, servers, stop } = await startedFor(context, () => scene.open());
      const cast = new Cast(address);
      const yard = await connect(cast.address);
      try {
        const actors = [
          await cast.start("dispatcher"),
          await cast.start("dispatcher"),
          await cast.start("worker"),
          await cast.start("worker"),
        ];
        const producers = [
          await cast.start("producer", { rate: RATE }),
          await cast.start("producer", { rate: RATE }),
        ];
        const workers = actors.filter(({ role }) => role === "worker");
        await passed(LOAD_MS);
        await everyoneRuns(cast, workers, producers, 0);
        const before = producers.map((producer) => median(rates(producer, 0, Date.now())));
        for (let cycle = 0; cycle < CYCLES; cycle += 1) {
          const server = servers[cycle % servers.length];
          await healthSays(yard, "up");
          await server?.kill();
          await Promise.all([passed(DOWN_MS), healthSays(yard, "down")]);
          await server?.start();
          const backAt = Date.now();
          for (const [index, producer] of producers.entries()) {
            await recovered(producer, backAt, 0.8 * (before[index] ?? 0));
          }
          await everyoneRuns(cast, workers, producers, backAt);
        }
        await healthSays(yard, "up");
        for (const producer of producers) {
          const { acknowledged, done, wrong, failures } = await producer.tally();
          expect({ lost: acknowledged - done, wrong, failures }).toEqual({ lost: 0, wrong: 0, failures: [] });
          expect(done).toBeGreaterThan(0);
        }
        expect(actors.map(({ isAlive }) => isAlive)).toEqual(actors.map(() => true));
        expect(twice(cast)).toEqual([]);
      } finally {
        await yard.close().catch(() => undefined);
        await cast.close();
        await stop();
      }
    });
  });
}

/** Tasks that were started more than once: nobody is declared dead for the engine's sake. */
export function twice(cast: Cast): string[] {
  const seen = new Set<string>();
  return cast.runs().flatMap(({ id, attempt }) => {
    if (seen.has(id)) return [`${id} attempt ${attempt}`];
    seen.add(id);
    return [];
  });
}

/** Resolves when each of the workers has started something since: one that is connected and hears nothing does not. */
async function everyoneRuns(
  cast: Cast,
  workers: readonly Actor[],
  producers: readonly Actor[],
  since: number,
): Promise<void> {
  const from = Date.now();
  for (const producer of producers) {
    await producer.until(() => {
      const pids = new Set(cast.runs().flatMap(({ at, pid }) => (at >= since ? [pid] : [])));
      const deaf = workers.filter((worker) => !pids.has(worker.pid));
      if (deaf.length === 0) return true;
      if (Date.now() - from < HEARD_MS) return null;
      throw new Error(`After ${HEARD_MS} ms ${deaf.length} of the workers have run nothing.`);
    });
  }
}

/** Resolves when a client's look at its yard says that the engine is up, or which half of it is not and why. */
async function healthSays(yard: Yard, wanted: "up" | "down"): Promise<void> {
  await vi.waitFor(async () => {
    const { isUp, engines, broker, store } = await yard.health();
    const down = engines.filter((engine) => !engine.isUp).map(({ trouble }) => trouble);
    if (wanted === "up") {
      expect({ isUp, down, broker: broker.trouble, store: store.trouble }).toEqual({
        isUp: true,
        down: [],
        broker: null,
        store: null,
      });
      return;
    }
    expect({ isUp, down }).toEqual({ isUp: false, down: [expect.stringMatching(/./)] });
    expect([broker.trouble, store.trouble]).toContainEqual(expect.stringMatching(/./));
  }, PATIENCE);
}

/** Resolves when a producer has done tasks at this rate for a second; rejects when that takes too long. */
export async function recovered(
  producer: Actor,
  backAt: number,
  rate: number,
  withinMs: number = BACK_MS,
): Promise<void> {
  await producer.until(() => {
    const best = Math.max(0, ...rates(producer, backAt, Date.now()));
    if (best >= rate) return true;
    if (Date.now() - backAt < withinMs) return null;
    throw new Error(
      `After ${withinMs} ms ${best.toFixed(0)} tasks/s are done, of ${rate.toFixed(0)} wanted.`,
    );
  });
}

export function passed(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
