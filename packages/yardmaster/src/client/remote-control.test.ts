import { afterEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { systemHost } from "../host.ts";
import { randomId } from "../protocol/ids.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startYard, type Yard } from "../yard.ts";

const hold = defineTask<number, number>({ name: "hold", queue: "mail", attempts: 1 });
const { on } = createHandlers();

/** A yard whose tasks run until they are let go, and which tells when so many run. */
class HeldYard {
  readonly yard: Yard;
  readonly worker: string;
  readonly #gates: (() => void)[];
  readonly #changed: Set<() => void>;
  readonly running: () => number;

  private constructor(
    yard: Yard,
    worker: string,
    gates: (() => void)[],
    changed: Set<() => void>,
    running: () => number,
  ) {
    this.yard = yard;
    this.worker = worker;
    this.#gates = gates;
    this.#changed = changed;
    this.running = running;
  }

  static async open(slots: number, shards = 1): Promise<HeldYard> {
    const gates: (() => void)[] = [];
    const changed = new Set<() => void>();
    let running = 0;
    const tell = (by: number): void => {
      running += by;
      for (const look of [...changed]) look();
    };
    const handler = on(hold, async ({ input, signal }) => {
      tell(1);
      await new Promise<void>((resolve) => {
        gates.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      tell(-1);
      signal.throwIfAborted();
      return input;
    });
    const yard = await startYard({
      url: `memory:${randomId(systemHost)}`,
      handlers: [handler],
      slots,
      shards,
    });
    let [worker] = await yard.workers();
    while (worker === undefined) [worker] = await yard.workers();
    return new HeldYard(yard, worker.id, gates, changed, () => running);
  }

  async until(running: number): Promise<void> {
    if (this.running() === running) return;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.running() !== running) return;
        this.#changed.delete(look);
        resolve();
      };
      this.#changed.add(look);
    });
  }

  letGo(count: number): void {
    for (const open of this.#gates.splice(0, count)) open();
  }
}

let held: HeldYard | null = null;

afterEach(async () => {
  await held?.yard.close({ timeoutMs: 2_000 });
  held = null;
});

async function submit(yard: Yard, count: number): Promise<string[]> {
  const tasks = await Promise.all(Array.from({ length: count }, (_, index) => yard.submit(hold, index)));
  return tasks.map(({ id }) => id);
}

describe.each([1, 2])("a worker of a yard with %d shards", (shards) => {
  it("runs more at a time, and then fewer, as it is told", async () => {
    held = await HeldYard.open(2, shards);
    const { yard, worker } = held;
    const ids = await submit(yard, 9);
    await held.until(2);
    await yard.setSlots(worker, 5);
    await held.until(5);
    const active = await yard.active(worker);
    expect(active.length).toBeGreaterThanOrEqual(5);
    expect(active.every(({ id, state }) => ids.includes(id) && /assigned|running/.test(state))).toBe(true);

    await yard.setSlots(worker, 1);
    held.letGo(5);
    await held.until(1);
    for (let left = 4; left > 0; left -= 1) {
      await held.until(1);
      held.letGo(1);
      await yard.workers();
      expect(held.running()).toBeLessThanOrEqual(1);
    }
    const ends = await Promise.all(ids.map((id) => yard.get(id).settled()));
    expect(ends.every(({ ok }) => ok)).toBe(true);
    expect((await yard.workers())[0]?.credit).toBe(1);
  });
});

describe("remote control", () => {
  it("ends a worker within a time, and what still runs with it", async () => {
    held = await HeldYard.open(2);
    const { yard, worker } = held;
    const [id = ""] = await submit(yard, 1);
    await held.until(1);
    await yard.drain(worker, { withinMs: 300 });
    await held.until(0);
    const end = await yard.get(id).settled();
    expect(end).toMatchObject({ ok: false, error: { cause: { code: "CLOSED" } } });
  });

  it("changes a queue's limits while tasks wait", async () => {
    held = await HeldYard.open(6);
    const { yard } = held;
    await submit(yard, 1);
    await held.until(1);
    expect(await yard.configure("mail", { concurrency: 2, weight: 3 })).toMatchObject({
      settings: { concurrency: 2, weight: 3, rate: null },
    });
    await submit(yard, 5);
    await held.until(2);
    expect((await yard.queues()).find(({ name }) => name === "mail")).toMatchObject({ active: 2, ready: 4 });
    expect(await yard.configure("mail", { concurrency: null })).toMatchObject({ settings: { weight: 3 } });
    await held.until(6);
    held.letGo(6);
  });

  it("refuses what does not exist or cannot be", async () => {
    held = await HeldYard.open(1);
    const { yard, worker } = held;
    await expect(yard.active("nobody")).rejects.toMatchObject({ code: "INVALID_NAME" });
    await expect(yard.setSlots("nobody", 2)).rejects.toMatchObject({ code: "INVALID_NAME" });
    await expect(yard.setSlots(worker, 0)).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    await expect(yard.configure("nothing", { weight: 2 })).rejects.toMatchObject({ code: "INVALID_NAME" });
    await submit(yard, 1);
    await held.until(1);
    await expect(yard.configure("mail", { agingMs: 5 })).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
    held.letGo(1);
  });
});
