import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import { startRedis } from "../../../servers/redis.ts";
import { defineTask } from "../src/definition.ts";
import type { TaskHandle } from "../src/index.ts";
import { failureOf } from "../src/testing/conformance.ts";
import type { Handler } from "../src/worker/handlers.ts";
import { createHandlers } from "../src/worker.ts";
import { startYard, type Yard } from "../src/yard.ts";
import { serverTests } from "./server-tests.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const PADDING = "x".repeat(100_000);

const gated = defineTask<number, number>({ name: "gated" });
const padded = defineTask<{ readonly n: number; readonly padding: string }, number>({ name: "padded" });
const { on } = createHandlers();
const ofPadded = on(padded, ({ input }) => 2 * input.n);

/** A handler that has started when `entered` resolves, and ends when it is let. */
function gate(): { handler: Handler; entered: Promise<void>; open: () => void; runs: () => number } {
  const entered = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let runs = 0;
  const handler = on(gated, async ({ input }) => {
    runs += 1;
    entered.resolve();
    await opened.promise;
    return 2 * input;
  });
  return { handler, entered: entered.promise, open: () => opened.resolve(), runs: () => runs };
}

/**
 * Submits until it is refused for want of room; answers what was acknowledged. One that RabbitMQ had got before it said that
 * it takes no more is tried for 30 s before.
 */
async function fill(yard: Yard): Promise<TaskHandle<number>[]> {
  const acknowledged: TaskHandle<number>[] = [];
  await vi.waitFor(async () => {
    const failure = await failureOf(submitTo(yard, acknowledged));
    expect(failure).toMatchObject({ code: "STORE_FULL", retryable: true });
    expect(failure?.message).not.toMatch(/\n/);
  }, PATIENCE);
  return acknowledged;
}

async function submitTo(yard: Yard, acknowledged: TaskHandle<number>[]): Promise<void> {
  acknowledged.push(await yard.submit(padded, { n: acknowledged.length, padding: PADDING }));
}

async function results(tasks: readonly TaskHandle<number>[]): Promise<number[]> {
  return await Promise.all(tasks.map((task) => task.result({ timeoutMs: 60_000 })));
}

await serverTests(
  "a yard on Redis with little memory",
  () => startRedis({ maxmemory: "16mb" }),
  (server) => {
    it("refuses submissions when Redis is full, ends what runs, and goes on by itself", async () => {
      const url = server.yardUrl();
      const { handler, entered, open, runs } = gate();
      const yard = await startYard({ url, handlers: [handler, ofPadded], slots: 1 });
      try {
        const running = await yard.submit(gated, 21);
        await entered;
        // The only slot is taken, so that they stay where they are.
        const acknowledged = await fill(yard);
        expect(acknowledged.length).toBeGreaterThan(10);
        open();
        expect(await running.result({ timeoutMs: 30_000 })).toBe(42);
        await server.cli("config", "set", "maxmemory", "500mb");
        await vi.waitFor(() => submitTo(yard, acknowledged), PATIENCE);
        expect(await results(acknowledged)).toEqual(acknowledged.map((_, n) => 2 * n));
        expect(runs()).toBe(1);
      } finally {
        open();
        await yard.close();
      }
    });
  },
);

await serverTests("a yard on RabbitMQ and SQLite", startRabbitMq, (server) => {
  const withYard = async (
    test: (yard: Yard, gate_: ReturnType<typeof gate>, running: TaskHandle<number>) => Promise<void>,
  ): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-full-"));
    const address = { broker: server.yardUrl(), store: `sqlite:${join(folder, "yard.db")}` };
    const gate_ = gate();
    const yard = await startYard({ ...address, handlers: [gate_.handler, ofPadded] });
    try {
      const running = await yard.submit(gated, 21);
      await gate_.entered;
      await test(yard, gate_, running);
    } finally {
      gate_.open();
      await yard.close();
      rmSync(folder, { recursive: true, force: true });
    }
  };

  it("refuses submissions while RabbitMQ is short of disk, and ends what ran as soon as it is not", async () => {
    await withYard(async (yard, { open, runs }, running) => {
      await server.control("set_disk_free_limit", "1000000000000000");
      let acknowledged: TaskHandle<number>[];
      try {
        acknowledged = await fill(yard);
        // Whoever publishes is stopped: the outcome waits with everyone.
        open();
        const { isUp, engines } = await yard.health();
        expect({ isUp, trouble: engines[0]?.trouble }).toEqual({
          isUp: false,
          trouble: expect.stringContaining("disk"),
        });
      } finally {
        await server.control("set_disk_free_limit", "50MB");
      }
      expect(await running.result({ timeoutMs: 60_000 })).toBe(42);
      await vi.waitFor(() => submitTo(yard, acknowledged), PATIENCE);
      expect(await results(acknowledged)).toEqual(acknowledged.map((_, n) => 2 * n));
      expect(runs()).toBe(1);
      expect((await yard.health()).isUp).toBe(true);
    });
  });

  it("holds no acknowledgement while a task runs", async () => {
    await withYard(async (_, { open }, running) => {
      await vi.waitFor(async () => {
        const columns = ["name", "consumers", "messages_unacknowledged"];
        const text = await server.control("list_queues", "-q", "--no-table-headers", ...columns);
        const queues = text
          .trim()
          .split("\n")
          .map((line) => line.split("\t"));
        // The yard's lanes and its worker's mailbox are there and received from.
        expect(queues.filter(([, consumers]) => Number(consumers) > 0).length).toBeGreaterThanOrEqual(3);
        expect(queues.filter(([, , unacknowledged]) => Number(unacknowledged) > 0)).toEqual([]);
      }, PATIENCE);
      open();
      expect(await running.result()).toBe(42);
    });
  });
});
