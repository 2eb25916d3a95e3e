import { describe, expect, it } from "vitest";
import type { Server } from "../../../../servers/server.ts";
import type { EngineAddress } from "../../src/engine.ts";
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

/** What becomes of a yard under load when its engine's servers are killed and started again. */
export function engineFaults(scene: EngineScene): void {
  describe(`${scene.name} killed under load`, () => {
    it("loses nothing that was acknowledged, and everybody comes back", {
      timeout: 600_000,
    }, async (context) => {
      const { address, servers, stop } = await startedFor(context, () => scene.open());
      const cast = new Cast(address);
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
        await passed(LOAD_MS);
        const before = producers.map((producer) => median(rates(producer, 0, Date.now())));
        for (let cycle = 0; cycle < CYCLES; cycle += 1) {
          const server = servers[cycle % servers.length];
          await server?.kill();
          await passed(DOWN_MS);
          await server?.start();
          const backAt = Date.now();
          for (const [index, producer] of producers.entries()) {
            await recovered(producer, backAt, 0.8 * (before[index] ?? 0));
          }
        }
        for (const producer of producers) {
          const { acknowledged, done, wrong, failures } = await producer.tally();
          expect({ lost: acknowledged - done, wrong, failures }).toEqual({ lost: 0, wrong: 0, failures: [] });
          expect(done).toBeGreaterThan(0);
        }
        expect(actors.map(({ isAlive }) => isAlive)).toEqual(actors.map(() => true));
        expect(new Set(cast.runs().map(({ pid }) => pid)).size).toBe(2);
        expect(twice(cast)).toEqual([]);
      } finally {
        await cast.close();
        await stop();
      }
    });
  });
}

/** Tasks that were started more than once: nobody is declared dead for the engine's sake. */
function twice(cast: Cast): string[] {
  const seen = new Set<string>();
  return cast.runs().flatMap(({ id, attempt }) => {
    if (seen.has(id)) return [`${id} attempt ${attempt}`];
    seen.add(id);
    return [];
  });
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
