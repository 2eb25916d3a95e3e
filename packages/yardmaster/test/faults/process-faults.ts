import { describe, expect, it } from "vitest";
import type { TaskHandle } from "../../src/client/handle.ts";
import { chain, map } from "../../src/client/plan.ts";
import { openEngine } from "../../src/connect.ts";
import type { LeaseTimes } from "../../src/dispatcher/lease-keeper.ts";
import type { EngineAddress } from "../../src/engine.ts";
import { connect, type Yard, type YardAddress } from "../../src/yard.ts";
import { startedFor } from "../server-tests.ts";
import { type Actor, Cast } from "./actors.ts";
import { limited, total, type Worked, work } from "./fault-tasks.ts";

/** Where a yard of the tests is; `null` in place of an address means a file in the cast's folder. */
export interface Scene {
  readonly name: string;
  /** A new, empty yard. May throw ServerMissing. */
  address(): Promise<EngineAddress | ((folder: string) => EngineAddress)>;
}

/** Short, so that a frozen owner's lease is over within a test. */
const TIMES = { ttlMs: 3_000, renewMs: 1_000, marginMs: 500 };
/** So long that no renewal of the lease comes before a commit. */
const SELDOM = { ttlMs: 60_000, renewMs: 30_000, marginMs: 500 };
/** Promised are 1.5 s for a killed process and 10 s for a frozen one; a busy machine must not fail the test. */
const SOON_MS = 5_000;
const SILENCE_MS = 20_000;

interface Stage {
  readonly cast: Cast;
  readonly yard: Yard;
}

type Staged = (title: string, test: (stage: Stage) => Promise<void>, times?: LeaseTimes) => void;

/** What becomes of tasks when processes are killed or frozen: the same on every engine. */
export function processFaults(scene: Scene): void {
  describe(`processes on ${scene.name}`, () => {
    const staged: Staged = (title, test, times = TIMES) => {
      it(title, { timeout: 90_000 }, async (context) => {
        const cast = new Cast(await startedFor(context, () => scene.address()));
        try {
          await cast.start("dispatcher", { times });
          const yard = await connect(placeOf(cast.address));
          await test({ cast, yard }).finally(() => yard.close());
        } finally {
          await cast.close();
        }
      });
    };
    workerFaults(staged);
    ownerFaults(staged);
    lateOwnerFaults(staged);
  });
}

function workerFaults(staged: Staged): void {
  staged("a killed worker's tasks start elsewhere within moments", async ({ cast, yard }) => {
    const workers = [await cast.start("worker"), await cast.start("worker")];
    const gate = cast.gate("gate");
    const tasks = await submit(yard, 6, gate.path);
    await started(cast, 6);
    const victim = busiest(cast, workers);
    const lost = idsRunBy(cast, victim);
    const killedAt = Date.now();
    await victim.kill();
    await started(cast, 6 + lost.length);
    const again = cast.runs().filter(({ at, id }) => at >= killedAt && lost.includes(id));
    expect(again.map(({ attempt }) => attempt)).toEqual(lost.map(() => 2));
    expect(Math.max(...again.map(({ at }) => at)) - killedAt).toBeLessThan(SOON_MS);
    gate.open();
    expect(await doubled(tasks)).toEqual(tasks.map((_, number) => 2 * number));
  });

  staged("a frozen worker's tasks start elsewhere, and what it still says is not wanted", async (stage) => {
    const { cast, yard } = stage;
    const workers = [await cast.start("worker"), await cast.start("worker")];
    const gate = cast.gate("gate");
    const tasks = await submit(yard, 6, gate.path);
    await started(cast, 6);
    const victim = busiest(cast, workers);
    const lost = idsRunBy(cast, victim);
    const frozenAt = Date.now();
    victim.signal("SIGSTOP");
    await started(cast, 6 + lost.length);
    const again = cast.runs().slice(6);
    expect(Math.max(...again.map(({ at }) => at)) - frozenAt).toBeLessThan(SILENCE_MS);
    victim.signal("SIGCONT");
    gate.open();
    expect(await doubled(tasks)).toEqual(tasks.map((_, number) => 2 * number));
    expect(await doubled(await submit(yard, 20, ""))).toHaveLength(20);
  });
}

function ownerFaults(staged: Staged): void {
  staged("a killed owner is replaced, and what runs is not started again", async ({ cast, yard }) => {
    const owner = cast.owner;
    const standby = await cast.start("dispatcher", { times: TIMES });
    await cast.start("worker");
    const gate = cast.gate("gate");
    const tasks = await submit(yard, 6, gate.path);
    await started(cast, 6);
    const killedAt = Date.now();
    await owner?.kill();
    const takenAt = await standby.until(() => standby.alarms("SHARD_TAKEN").at(0)?.at ?? null);
    expect(takenAt - killedAt).toBeLessThan(SOON_MS);
    expect(await doubled(await submit(yard, 10, ""))).toHaveLength(10);
    gate.open();
    expect(await doubled(tasks)).toEqual(tasks.map((_, number) => 2 * number));
    expect(cast.runs().filter(({ attempt }) => attempt > 1)).toEqual([]);
  });

  staged("graphs, limits, schedules and what replaces each other outlive their owner", async (stage) => {
    const { cast, yard } = stage;
    const owner = cast.owner;
    const standby = await cast.start("dispatcher", { times: TIMES });
    await cast.start("worker");
    const gate = cast.gate("gate");
    const until = gate.path;
    const inputs = [1, 2, 3, 4].map((number) => ({ number, until }));
    const graph = await yard.submitGraph(chain(map(work, inputs), total));
    const held = await Promise.all([5, 6, 7, 8].map((number) => yard.submit(limited, { number, until })));
    await started(cast, 6);
    const replace = { replace: { key: "k" }, delayMs: 8_000 };
    const first = await yard.submit(work, { number: 9, until: "" }, replace);
    await yard.schedule("beat", work, { number: 100, until: "" }, { everyMs: 1_000 });
    await owner?.kill();
    await standby.until(() => standby.alarms("SHARD_TAKEN").at(0) ?? null);
    const second = await yard.submit(work, { number: 10, until: "" }, { replace: { key: "k" } });
    expect(await doubled([second])).toEqual([20]);
    expect(await first.settled()).toMatchObject({ ok: false, error: { code: "TASK_CANCELLED" } });
    const ticks = (): string[] => cast.runs().flatMap(({ id, number }) => (number === 100 ? [id] : []));
    while (ticks().length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(new Set(ticks()).size).toBe(ticks().length);
    expect(cast.runs().filter(({ number }) => number >= 5 && number <= 8)).toHaveLength(2);
    gate.open();
    expect(await graph.result({ timeoutMs: 60_000 })).toBe(20);
    expect(await doubled(held)).toEqual([10, 12, 14, 16]);
    expect(cast.runs().filter(({ attempt }) => attempt > 1)).toEqual([]);
  });
}

function lateOwnerFaults(staged: Staged): void {
  staged("an owner that slept beyond its lease is refused when it wakes", async ({ cast, yard }) => {
    const owner = cast.owner;
    if (owner === null) throw new Error("Nobody owns the shard.");
    const standby = await cast.start("dispatcher", { times: TIMES });
    await cast.start("worker");
    const gate = cast.gate("gate");
    const running = await submit(yard, 4, gate.path);
    await started(cast, 4);
    owner.signal("SIGSTOP");
    await standby.until(() => standby.alarms("SHARD_TAKEN").at(0) ?? null);
    const meanwhile = await submit(yard, 10, "");
    owner.signal("SIGCONT");
    await owner.until(() => owner.alarms("SHARD_LOST").at(0) ?? null);
    expect(await doubled(meanwhile)).toHaveLength(10);
    gate.open();
    expect(await doubled(running)).toEqual(running.map((_, number) => 2 * number));
    expect(cast.runs().filter(({ attempt }) => attempt > 1)).toEqual([]);
    expect(cast.runs()).toHaveLength(14);
    expect(cast.owner).toBe(standby);
  });

  staged(
    "an owner that was replaced while it slept has its late commit refused and counted",
    async ({ cast, yard }) => {
      const owner = cast.owner;
      if (owner === null) throw new Error("Nobody owns the shard.");
      await cast.start("worker");
      expect(await doubled(await submit(yard, 4, ""))).toEqual([0, 2, 4, 6]);
      const engine = await openEngine(cast.address);
      const { store } = engine;
      try {
        owner.signal("SIGSTOP");
        // As a standby does that finds nobody behind the owner's name: long before the lease is over.
        const replacing = (await store.holder(0))?.epoch ?? 0;
        const lease = await store.acquire(0, "another", SELDOM.ttlMs, { replacing });
        if (lease === null) throw new Error("The shard was not given away.");
        const tasks = await submit(yard, 10, "");
        owner.signal("SIGCONT");
        await owner.until(() => owner.alarms("SHARD_LOST").at(0) ?? null);
        expect(owner.alarms("COMMIT_FENCED")).toHaveLength(1);
        expect(cast.runs()).toHaveLength(4);
        await store.release(lease);
        expect(await doubled(tasks)).toHaveLength(10);
        expect(cast.runs()).toHaveLength(14);
        expect((await yard.stats()).fencedCommits).toBe(1);
      } finally {
        owner.signal("SIGCONT");
        await engine.close({ timeoutMs: 1_000 });
      }
    },
    SELDOM,
  );
}

function placeOf(address: EngineAddress): YardAddress {
  return typeof address === "string" ? { url: address } : address;
}

async function submit(yard: Yard, count: number, until: string): Promise<TaskHandle<Worked>[]> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  return await Promise.all(numbers.map((number) => yard.submit(work, { number, until })));
}

async function doubled(tasks: readonly TaskHandle<Worked>[]): Promise<number[]> {
  return await Promise.all(tasks.map(async (task) => (await task.result({ timeoutMs: 60_000 })).doubled));
}

/** Resolves when so many attempts have started. */
export async function started(cast: Cast, count: number): Promise<void> {
  while (cast.runs().length < count) await new Promise((resolve) => setTimeout(resolve, 20));
}

function idsRunBy(cast: Cast, worker: Actor): string[] {
  return cast.runs().flatMap(({ id, pid }) => (pid === worker.pid ? [id] : []));
}

function busiest(cast: Cast, workers: readonly Actor[]): Actor {
  const [most] = [...workers].sort((a, b) => idsRunBy(cast, b).length - idsRunBy(cast, a).length);
  if (most === undefined) throw new Error("There is no worker.");
  return most;
}
