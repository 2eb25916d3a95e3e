import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { startRedis, startRedisSentinel } from "../../../servers/redis.ts";
import { openEngine } from "../src/connect.ts";
import { controlLane, type Engine, submitLane } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { codeOf, failureOf, frameOf, takeCount, textsOf } from "../src/testing/conformance.ts";
import {
  finished,
  inserted,
  loadedIds,
  owner,
  sampleTask,
  taskId,
  updated,
} from "../src/testing/sample-tasks.ts";
import { serverTests } from "./server-tests.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

async function withEngines(
  url: string,
  count: number,
  test: (...engines: Engine[]) => Promise<void>,
): Promise<void> {
  const engines = await Promise.all(Array.from({ length: count }, () => openEngine(url, systemHost)));
  try {
    await test(...engines);
  } finally {
    for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
  }
}

async function isUp(engine: Engine): Promise<void> {
  await vi.waitFor(async () => {
    expect(engine.report()[0]?.isUp).toBe(true);
    expect(await codeOf(engine.broker.depth("mail"))).toBe("none");
  }, PATIENCE);
}

await serverTests("Redis with an append-only file", startRedis, (server) => {
  describe("a Redis server that is killed and started again", () => {
    it("refuses at once meanwhile, and loses nothing", async () => {
      await withEngines(server.yardUrl(), 2, async (engine, other) => {
        if (engine === undefined || other === undefined) throw new Error("Two engines were opened.");
        const { broker } = engine;
        const news: boolean[] = [];
        await broker.declare("mail", { durable: true });
        await broker.presence.hold("worker:1", (isHeld) => news.push(isHeld));
        const commit = await owner(engine.store);
        await commit(inserted(sampleTask(1)));
        const receiver = await broker.receive("mail");
        await broker.send(["a", "b"].map((text) => ({ mailbox: "mail", frame: frameOf(text) })));
        expect(textsOf(await takeCount(receiver, 1))).toEqual(["a"]);
        expect(await other.broker.presence.absent(["worker:1"])).toEqual([]);

        await server.kill();
        await vi.waitFor(() => expect(news).toEqual([false]), PATIENCE);
        expect(await codeOf(broker.send([{ mailbox: "mail", frame: frameOf("c") }]))).toBe(
          "BROKER_UNAVAILABLE",
        );
        expect(await codeOf(engine.store.read({ ids: [taskId(1)] }))).toBe("STORE_UNAVAILABLE");
        expect(engine.report()[0]?.isUp).toBe(false);
        expect(engine.report()[0]?.trouble).toMatch(/closed|ECONN|refused|lost/i);

        await server.start();
        await isUp(engine);
        await isUp(other);
        expect(await other.broker.presence.absent(["worker:1"])).toEqual([]);
        await vi.waitFor(() => expect(news).toEqual([false, true]), PATIENCE);
        const again = await takeCount(receiver, 2);
        expect(textsOf(again)).toEqual(["a", "b"]);
        expect(again.map(({ redelivered }) => redelivered)).toEqual([true, false]);
        await broker.send([{ mailbox: "mail", frame: frameOf("c") }], again);
        expect(textsOf(await takeCount(receiver, 1))).toEqual(["c"]);
        await commit(finished(sampleTask(1), "1", 9));
        expect(await loadedIds(engine.store)).toEqual([]);
        expect((await engine.store.read({ ids: [taskId(1)] })).tasks.size).toBe(1);
      });
    });

    it("is reported as it is set up, and where it cannot be reached", async () => {
      const url = server.yardUrl();
      await withEngines(url, 1, async (engine) => {
        expect(engine?.report()).toEqual([
          {
            engine: expect.stringMatching(/^Redis \d+\.\d+\.\d+ at 127\.0\.0\.1:\d+$/),
            isUp: true,
            trouble: null,
            durability: "What is confirmed survives a power cut (appendonly yes, appendfsync always).",
            warnings: [],
          },
        ]);
      });
      const failure = await failureOf(openEngine("redis://127.0.0.1:1", systemHost));
      expect(failure?.code).toBe("BROKER_UNAVAILABLE");
      expect(failure?.message).toMatch(/127\.0\.0\.1:1.*ECONNREFUSED/);
    });

    it.each([
      ["appendfsync", "no", /what the system had not written/, /A power cut loses tasks: set appendfsync/],
      ["appendfsync", "everysec", /up to about 2 s/, /A power cut loses the last seconds/],
      ["appendonly", "no", /since the last snapshot is lost/, /set appendonly yes/],
      [
        "maxmemory-policy",
        "allkeys-lru",
        /survives a power cut/,
        /evicts tasks and results \(maxmemory-policy allkeys-lru\): set noeviction/,
      ],
    ])("warns of %s %s when it connects", async (name, value, durability, warning) => {
      const before = (await server.cli("config", "get", name)).trim().split("\n").at(-1) ?? "";
      await server.cli("config", "set", name, value);
      try {
        await withEngines(server.yardUrl(), 1, async (engine) => {
          const [report] = engine?.report() ?? [];
          expect(report?.durability).toMatch(durability);
          expect(report?.warnings).toEqual([expect.stringMatching(warning)]);
        });
      } finally {
        await server.cli("config", "set", name, before);
      }
    });

    it("refuses a URL that does not fit it", async () => {
      const wrong = server.yardUrl().replace("/0?", "/99?");
      expect((await failureOf(openEngine(wrong, systemHost)))?.message).toMatch(/database/);
      expect(await codeOf(openEngine(wrong, systemHost))).toBe("ENGINE_DENIED");
      const cluster = `redis://127.0.0.1:${server.port}?cluster=true`;
      expect(await codeOf(openEngine(cluster, systemHost))).not.toBe("none");
      const tls = server.yardUrl().replace("redis:", "rediss:");
      expect((await failureOf(openEngine(tls, systemHost)))?.message).toMatch(/TLS/);
    });
  });
});

/** The least that a user needs, as the page says it. */
const LEAST =
  /^user app .*$/m.exec(
    readFileSync(new URL("../../../docs/engines/redis.md", import.meta.url), "utf8"),
  )?.[0] ?? "";

await serverTests(
  "Redis with passwords",
  () =>
    startRedis({
      password: "top-secret",
      users: [LEAST, "user weak on >weak-secret ~* +@all -@scripting"],
    }),
  (server) => {
    const as = (login: string): string =>
      server.yardUrl().replace(/\/\/[^@]*@/, login === "" ? "//" : `//${login}@`);

    it.each([
      ["", /password/],
      [":wrong-secret", /password/],
      ["nobody:wrong-secret", /password/],
      ["weak:weak-secret", /permission/],
    ])("says in one line why %s is refused, and never the secret", async (login, why) => {
      const failure = await failureOf(
        openEngine(as(login), systemHost).then(async (engine) => {
          try {
            await engine.broker.declare("mail", { durable: true });
          } finally {
            await engine.close({ timeoutMs: 1_000 });
          }
        }),
      );
      expect(failure?.code).toBe("ENGINE_DENIED");
      expect(failure?.message).toMatch(why);
      expect(failure?.message).not.toMatch(/secret|\n/);
    });

    it("needs no more than the page says", async () => {
      await withEngines(as("app:secret"), 1, async (engine) => {
        if (engine === undefined) throw new Error("An engine was opened.");
        const { broker, store } = engine;
        await broker.declare("mail", { durable: true });
        const receiver = await broker.receive("mail");
        const commit = await owner(store);
        const release = await broker.presence.hold("worker:1");
        await commit(inserted(sampleTask(1)), inserted(sampleTask(2), { parked: true }));
        await commit(updated(sampleTask(2)), finished(sampleTask(1), "1", 5));
        await commit({ type: "row", kind: "a", key: "b", value: "c" });
        await commit(
          { type: "row", kind: "a", key: "b", value: null },
          { type: "sweep", before: 9, limit: 9 },
        );
        expect(await loadedIds(store)).toEqual([taskId(2)]);
        expect(await store.parked(0, 9)).toEqual([]);
        expect((await store.find({ limit: 9 })).tasks).toEqual([]);
        await broker.send([{ mailbox: "mail", frame: frameOf("a") }]);
        await broker.send([], await takeCount(receiver, 1));
        expect(await broker.mailboxes("")).toEqual(["mail"]);
        expect(await broker.presence.absent(["worker:1"])).toEqual([]);
        await release();
        await broker.remove("mail");
        expect(engine.report()[0]?.warnings).toEqual([]);
      });
    });
  },
);

await serverTests(
  "Redis with TLS",
  () => startRedis({ isTls: true }),
  (server) => {
    it("is reached with the authority that it has its certificate from, and not without", async () => {
      await withEngines(server.yardUrl(), 1, async (engine) => {
        await engine?.broker.declare("mail", { durable: true });
      });
      const unknown = await failureOf(openEngine(`rediss://127.0.0.1:${server.port}`, systemHost));
      expect([unknown?.code, /TLS/.test(unknown?.message ?? "")]).toEqual(["ENGINE_DENIED", true]);
      const plain = await failureOf(openEngine(`redis://127.0.0.1:${server.port}`, systemHost));
      expect(plain?.code).toMatch(/ENGINE_DENIED|BROKER_UNAVAILABLE/);
    });
  },
);

await serverTests(
  "Redis with little memory",
  () => startRedis({ maxmemory: "8mb" }),
  (server) => {
    it("refuses submissions when it is full, lets completions through, and recovers by itself", async () => {
      await withEngines(server.yardUrl(), 1, async (engine) => {
        if (engine === undefined) throw new Error("An engine was opened.");
        const { broker, store } = engine;
        await broker.declare(submitLane(0), { durable: true });
        await broker.declare(controlLane(0), { durable: false });
        const commit = await owner(store);
        await commit(inserted(sampleTask(1)));
        const submission = { mailbox: submitLane(0), frame: new Uint8Array(400_000) };
        let code = "none";
        while (code === "none") code = await codeOf(broker.send([submission]));
        expect(code).toBe("STORE_FULL");
        expect(await broker.send([{ mailbox: controlLane(0), frame: frameOf("done") }])).toEqual([
          "confirmed",
        ]);
        await commit(finished(sampleTask(1), "1", 5));
        await broker.declare("client:1", { durable: false });
        const receiver = await broker.receive("client:1");
        await broker.send([{ mailbox: "client:1", frame: frameOf("settled") }]);
        const acks = await takeCount(receiver, 1);
        const before = await broker.depth(submitLane(0));
        expect(await codeOf(broker.send([submission], acks))).toBe("STORE_FULL");
        expect([await broker.depth(submitLane(0)), await broker.depth("client:1")]).toEqual([before, 1]);
        for (let number = 2; code !== "FULL BEYOND THE RESERVE"; number += 1) {
          const failure = await failureOf(
            commit(inserted(sampleTask(number), { payload: "p".repeat(4_000_000) })),
          );
          if (failure === null) continue;
          expect(failure.code).toBe("STORE_FULL");
          expect(number).toBeGreaterThan(2);
          code = "FULL BEYOND THE RESERVE";
        }
        // What makes room goes through whatever the server has left.
        await commit({ type: "sweep", before: 9, limit: 9 });
        expect((await store.read({ ids: [taskId(1)] })).tasks.size).toBe(0);
        await broker.send([], acks);
        expect(await broker.depth("client:1")).toBe(0);
        expect((await store.holder(0))?.expired).toBe(false);
        await broker.remove(submitLane(0));
        await server.cli("config", "set", "maxmemory", "200mb");
        await broker.declare(submitLane(0), { durable: true });
        expect(await broker.send([submission])).toEqual(["confirmed"]);
      });
    });
  },
);

await serverTests(
  "Redis with room for some of the frames",
  () => startRedis({ maxmemory: "8mb" }),
  (server) => {
    it("takes all frames of one send or none, so that a refused submission never runs", async () => {
      await withEngines(server.yardUrl(), 1, async (engine) => {
        if (engine === undefined) throw new Error("An engine was opened.");
        const { broker } = engine;
        await broker.declare(submitLane(0), { durable: true });
        const frames = Array.from({ length: 20 }, () => ({
          mailbox: submitLane(0),
          frame: new Uint8Array(100_000),
        }));
        let taken = 0;
        for (let code = "none"; code === "none"; ) {
          code = await codeOf(broker.send(frames));
          if (code === "none") taken += frames.length;
          else expect(code).toBe("STORE_FULL");
        }
        expect(await broker.depth(submitLane(0))).toBe(taken);
      });
    });
  },
);

await serverTests("Redis behind Sentinels", startRedisSentinel, (server) => {
  it("goes on with the replica when the master is killed, and calls nobody absent for it", async () => {
    await withEngines(server.yardUrl(), 2, async (engine, other) => {
      if (engine === undefined || other === undefined) throw new Error("Two engines were opened.");
      const { broker } = engine;
      await broker.declare("mail", { durable: true });
      await broker.presence.hold("worker:1");
      const receiver = await broker.receive("mail");
      await broker.send([{ mailbox: "mail", frame: frameOf("a") }]);
      const taken = await takeCount(receiver, 1);
      await server.kill();
      await isUp(engine);
      await isUp(other);
      expect(await other.broker.presence.absent(["worker:1"])).toEqual([]);
      const again = await takeCount(receiver, 1);
      expect(textsOf(again)).toEqual(textsOf(taken));
      await broker.send([{ mailbox: "mail", frame: frameOf("b") }], again);
      expect(textsOf(await takeCount(receiver, 1))).toEqual(["b"]);
    });
  });
});
