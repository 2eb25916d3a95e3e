import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StatementSync } from "node:sqlite";
import pg from "pg";
import { describe, expect, it, vi } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { startRedis } from "../../../servers/redis.ts";
import { startClient } from "../src/client/client.ts";
import { openEngine } from "../src/connect.ts";
import { defineTask } from "../src/definition.ts";
import { startDispatcherOn } from "../src/dispatcher/dispatcher.ts";
import type { Engine } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { createHandlers } from "../src/worker/handlers.ts";
import { startWorkerOn } from "../src/worker/worker.ts";
import { serverTests } from "./server-tests.ts";

/*
 * What a task costs, counted and not timed, so that it holds on a busy machine too: one batch of 1,000 tasks with
 * 100 bytes each is submitted at once to one dispatcher and one worker, and every result is awaited.
 *
 * How many frames and commits that takes depends a little on who was faster, so each bound is two or three times what
 * is usual. Each is also far below 1,000 above it: whoever adds a frame, a commit, a command or a statement for each
 * task fails here. What is there for each task by design, a row or a hash field, is bounded tightly.
 */
const TASKS = 1_000;
const PAYLOAD_BYTES = 100;

const noop = defineTask<{ n: number; pad: string }, number>({ name: "cost.noop" });
const EMPTY_BYTES = JSON.stringify({ n: 1_000, pad: "" }).length;
const PAD = "x".repeat(PAYLOAD_BYTES - EMPTY_BYTES);
const { on } = createHandlers();

/** What crosses the ports between the parts and the engine. */
interface Traffic {
  frames: number;
  bytes: number;
  commits: number;
  changes: number;
  /** Commits without changes, and sends outside of commits. */
  sends: number;
}

/** Runs the batch on the engine at an address; `around` is called with what runs it, once everybody is at work. */
async function batchOn<T>(
  address: string,
  around: (run: () => Promise<void>) => Promise<T>,
): Promise<[Traffic, T]> {
  const traffic: Traffic = { frames: 0, bytes: 0, commits: 0, changes: 0, sends: 0 };
  const engines: Engine[] = [];
  const open = async (): Promise<Engine> => {
    const engine = await openEngine(address, systemHost);
    engines.push(engine);
    return counted(engine, traffic);
  };
  const host = systemHost;
  const dispatcher = await startDispatcherOn({ engine: await open(), host });
  const handlers = [on(noop, ({ input }) => input.n)];
  const worker = await startWorkerOn({ engine: await open(), host, handlers, slots: 500 });
  const client = await startClient({ engine: await open(), host });
  const result = async (n: number): Promise<number> => (await client.submit(noop, { n, pad: PAD })).result();
  try {
    // Queues, definitions and statements are made once.
    expect(await result(0)).toBe(0);
    Object.assign(traffic, { frames: 0, bytes: 0, commits: 0, changes: 0, sends: 0 });
    const measured = await around(async () => {
      const numbers = Array.from({ length: TASKS }, (_, n) => n);
      expect(await Promise.all(numbers.map(result))).toEqual(numbers);
    });
    return [{ ...traffic }, measured];
  } finally {
    await client.close();
    await worker.close();
    await dispatcher.close();
    for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
  }
}

function counted(engine: Engine, traffic: Traffic): Engine {
  const { broker, store } = engine;
  const sent = (sends: readonly { readonly frame: Uint8Array }[]): void => {
    traffic.frames += sends.length;
    for (const { frame } of sends) traffic.bytes += frame.length;
  };
  return {
    ...engine,
    broker: {
      ...broker,
      send: (sends, acks) => {
        traffic.sends += 1;
        sent(sends);
        return broker.send(sends, acks);
      },
    },
    store,
    commit: (tick) => {
      traffic.commits += 1;
      traffic.changes += tick.changes.length;
      sent(tick.sends);
      return engine.commit(tick);
    },
  };
}

describe("what 1,000 tasks cost", () => {
  it("DRAFT memory", async () => {
    const [traffic] = await batchOn("memory:costs", (run) => run());
    console.log("memory", traffic);
  });
  it("DRAFT sqlite", async () => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-costs-"));
    const spies = (["run", "all", "get", "iterate"] as const).map((m) =>
      vi.spyOn(StatementSync.prototype, m),
    );
    const [traffic, statements] = await batchOn(`sqlite:${join(folder, "yard.db")}`, async (run) => {
      for (const spy of spies) spy.mockClear();
      await run();
      return spies.map((spy) => spy.mock.calls.length);
    });
    console.log("sqlite", traffic, statements);
    rmSync(folder, { recursive: true });
  });
});
await serverTests(
  "redis",
  () => startRedis({ fsync: "no" }),
  (server) => {
    it("DRAFT redis", async () => {
      const [traffic, text] = await batchOn(server.yardUrl(), async (run) => {
        await server.cli("config", "resetstat");
        await run();
        return (await server.cli("info", "commandstats")) + (await server.cli("info", "stats"));
      });
      console.log(
        "redis",
        traffic,
        text
          .split("\n")
          .filter((l) => /cmdstat|net_/.test(l))
          .map((l) => l.split(",")[0])
          .join("\n"),
      );
    });
  },
);
await serverTests("pg", startPostgres, (server) => {
  it("DRAFT pg", async () => {
    const spy = vi.spyOn(pg.Client.prototype, "query");
    const [traffic, n] = await batchOn(server.yardUrl(), async (run) => {
      spy.mockClear();
      await run();
      return spy.mock.calls.length;
    });
    console.log("pg", traffic, n);
  });
});
