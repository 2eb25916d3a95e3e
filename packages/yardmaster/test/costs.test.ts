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
import { type Engine, submitLane } from "../src/engine.ts";
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
/** How many are done one after the other, where each has commits of its own. */
const IN_TURN = 100;

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
  /** Calls of `broker.send`, outside of commits. */
  sends: number;
  /** Those of them that hold nothing but submissions. */
  submissions: number;
}

const NOTHING: Traffic = { frames: 0, bytes: 0, commits: 0, changes: 0, sends: 0, submissions: 0 };

/**
 * Runs the batch on the engine at an address; `around` is called with what runs it, and with what does one task, once
 * everybody is at work.
 */
async function batchOn<T>(
  address: string,
  around: (run: () => Promise<void>, result: (n: number) => Promise<number>) => Promise<T>,
): Promise<[Traffic, T]> {
  const traffic: Traffic = { ...NOTHING };
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
    Object.assign(traffic, NOTHING);
    const measured = await around(async () => {
      const numbers = Array.from({ length: TASKS }, (_, n) => n);
      expect(await Promise.all(numbers.map(result))).toEqual(numbers);
    }, result);
    return [{ ...traffic }, measured];
  } finally {
    await client.close();
    await worker.close();
    await dispatcher.close();
    for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
  }
}

function counted(engine: Engine, traffic: Traffic): Engine {
  const sent = (sends: readonly { readonly frame: Uint8Array }[]): void => {
    traffic.frames += sends.length;
    for (const { frame } of sends) traffic.bytes += frame.length;
  };
  const broker = withMethods(engine.broker, {
    send: (sends, acks) => {
      traffic.sends += 1;
      const isSubmission = sends.every(({ mailbox }) => mailbox === submitLane(0));
      if (isSubmission && (acks ?? []).length === 0) traffic.submissions += 1;
      sent(sends);
      return engine.broker.send(sends, acks);
    },
  });
  const commit: Engine["commit"] = (tick) => {
    traffic.commits += 1;
    traffic.changes += tick.changes.length;
    sent(tick.sends);
    return engine.commit(tick);
  };
  return withMethods(engine, { broker, commit });
}

/** The same object but for some of its properties, also where it is of a class with private fields. */
function withMethods<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Holds what crossed the ports to its bounds, whatever the engine. */
function expectLittle({ frames, bytes, commits, changes, sends }: Traffic): void {
  // About ten frames: submissions, assignments, outcomes and answers, in two or three batches each.
  expect(frames).toBeGreaterThan(0);
  expect(frames).toBeLessThan(60);
  expect(sends).toBeLessThan(60);
  expect(commits).toBeGreaterThan(0);
  expect(commits).toBeLessThan(30);
  // A task is carried to the dispatcher and to the worker (its payload twice), and its end to the dispatcher and back.
  expect(bytes / TASKS).toBeGreaterThan(2 * PAYLOAD_BYTES);
  expect(bytes / TASKS).toBeLessThan(400);
  // Accepted, started, ended; acceptance and start are one change where both happen in one tick.
  expect(changes / TASKS).toBeGreaterThanOrEqual(2);
  expect(changes / TASKS).toBeLessThan(3.1);
}

describe("what 1,000 tasks cost", () => {
  it("is a few frames and commits, whatever is under them", async () => {
    const [traffic] = await batchOn("memory:costs", (run) => run());
    expectLittle(traffic);
  });

  it("is a few statements on SQLite, as rows go in batches", async () => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-costs-"));
    const methods = ["run", "all", "get", "iterate"] as const;
    const spies = methods.map((method) => vi.spyOn(StatementSync.prototype, method));
    try {
      const [traffic, statements] = await batchOn(`sqlite:${join(folder, "yard.db")}`, async (run) => {
        for (const spy of spies) spy.mockClear();
        await run();
        return spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
      });
      expectLittle(traffic);
      // 150 batches of twenty rows, and what surrounds them.
      expect(statements).toBeGreaterThan(TASKS / 20);
      expect(statements).toBeLessThan(600);
    } finally {
      for (const spy of spies) spy.mockRestore();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

await serverTests("Redis", startRedis, (server) => {
  describe("what 1,000 tasks cost on Redis", () => {
    it("is a few commands, those within scripts included, and few bytes", async () => {
      const [traffic, text] = await batchOn(server.yardUrl(), async (run) => {
        await server.cli("config", "resetstat");
        await run();
        return `${await server.cli("info", "commandstats")}\n${await server.cli("info", "stats")}`;
      });
      expectLittle(traffic);
      const calls = [...text.matchAll(/^cmdstat_[^:]+:calls=(\d+)/gm)].map(([, count]) => Number(count));
      const commands = calls.reduce((sum, count) => sum + count, 0);
      // About 70, as one command carries what a tick has for a key.
      expect(commands).toBeGreaterThan(10);
      expect(commands).toBeLessThan(400);
      // To the server: frames, records and their scripts; from it: frames.
      expect(netBytes(text, "input") / TASKS).toBeLessThan(1_200);
      expect(netBytes(text, "output") / TASKS).toBeLessThan(500);
    });

    it("is one call of a script for each commit, its messages and acknowledgements included", async () => {
      const [{ commits, sends, submissions }, text] = await batchOn(server.yardUrl(), async (_, result) => {
        await server.cli("config", "resetstat");
        for (let n = 1; n <= IN_TURN; n += 1) expect(await result(n)).toBe(n);
        return await server.cli("info", "commandstats");
      });
      const called = (name: string): number =>
        Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, "m").exec(text)?.[1] ?? 0);
      // Accepted and started in one, ended in another.
      expect(commits).toBeGreaterThanOrEqual(2 * IN_TURN);
      const scripted = sends - submissions;
      // What an owner asks for now and then, whatever it commits: its lease's renewal, and who is there.
      const spare = IN_TURN / 4;
      const scripts = called("evalsha") + called("eval");
      expect(scripts).toBeGreaterThanOrEqual(commits);
      expect(scripts).toBeLessThan(commits + scripted + spare);
    });
  });
});

function netBytes(text: string, direction: "input" | "output"): number {
  const bytes = Number(new RegExp(`^total_net_${direction}_bytes:(\\d+)`, "m").exec(text)?.[1]);
  expect(bytes).toBeGreaterThan(TASKS * PAYLOAD_BYTES);
  return bytes;
}

await serverTests("PostgreSQL", startPostgres, (server) => {
  describe("what 1,000 tasks cost on PostgreSQL", () => {
    it("is a few statements", async () => {
      const spy = vi.spyOn(pg.Client.prototype, "query");
      try {
        const [traffic, statements] = await batchOn(server.yardUrl(), async (run) => {
          spy.mockClear();
          await run();
          return spy.mock.calls.length;
        });
        expectLittle(traffic);
        // About 30: rows go as arrays.
        expect(statements).toBeGreaterThan(5);
        expect(statements).toBeLessThan(200);
      } finally {
        spy.mockRestore();
      }
    });
  });
});
