import { describe, expect, it } from "vitest";
import { openEngine } from "./connect.ts";
import type { Engine, EngineReport } from "./engine.ts";
import { type EngineNews, EngineWatch, whenReachable } from "./engine-watch.ts";
import { YardmasterError } from "./protocol/errors.ts";
import { createManualHost } from "./testing/manual-host.ts";

const AWAY = new YardmasterError("STORE_UNAVAILABLE", "Nothing listens at 127.0.0.1:1.");
const DENIED = new YardmasterError("ENGINE_DENIED", "The password is wrong.");

describe("waiting for an engine", () => {
  it("tries again with growing pauses until it can be reached, and tells once each", async () => {
    const host = createManualHost();
    const news: EngineNews[] = [];
    const triedAt: number[] = [];
    const waiting = whenReachable(
      host,
      { waitForEngineMs: 60_000, onEngine: (each) => news.push(each) },
      async () => {
        triedAt.push(host.monotonic());
        if (triedAt.length < 9) throw AWAY;
        return "reached";
      },
    );
    await host.advance(20_000);
    expect(await waiting).toBe("reached");
    expect(news.map(({ isUp }) => isUp)).toEqual([false, true]);
    expect(news[0]?.message).toContain("Nothing listens");
    const pauses = triedAt.slice(1).map((at, index) => at - (triedAt[index] ?? 0));
    expect(pauses[0]).toBeLessThanOrEqual(100);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(2_000);
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(1_000);
  });

  it("gives up when the time is over, with the last reason and how long it waited", async () => {
    const host = createManualHost();
    const waiting = whenReachable(host, { waitForEngineMs: 5_000 }, () => Promise.reject(AWAY));
    const gaveUp = expect(waiting).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: "Nothing listens at 127.0.0.1:1. Gave up after 5 s.",
    });
    await host.advance(5_000);
    await gaveUp;
  });

  it.each([
    ["without a time to wait", {}, AWAY],
    ["of an engine that refuses this client", { waitForEngineMs: 60_000 }, DENIED],
  ])("ends at the first failure %s", async (_, wait, error) => {
    const attempt = whenReachable(createManualHost(), wait, () => Promise.reject(error));
    await expect(attempt).rejects.toBe(error);
  });

  it.each([-1, Number.NaN])("takes no %s for a time", async (waitForEngineMs) => {
    const attempt = whenReachable(createManualHost(), { waitForEngineMs }, async () => undefined);
    await expect(attempt).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  });
});

describe("an engine that is watched", () => {
  it("is told once when it is lost and once when it is back, however often it fails", async () => {
    const host = createManualHost();
    const news: EngineNews[] = [];
    const engine = await reporting([{ isUp: true, trouble: null }]);
    const watch = new EngineWatch(engine, host, (each) => news.push(each));
    await host.advance(10_000);
    expect(news).toEqual([]);
    engine.reports = [{ isUp: false, trouble: "connection refused" }];
    await host.advance(10_000);
    watch.failed(AWAY);
    expect(news).toEqual([{ isUp: false, message: "Redis at 127.0.0.1:1 is lost: connection refused" }]);
    engine.reports = [{ isUp: true, trouble: null }];
    await host.advance(10_000);
    expect(news.slice(1)).toEqual([{ isUp: true, message: "The engine is back." }]);
    watch.close();
    engine.reports = [{ isUp: false, trouble: "connection refused" }];
    await host.advance(10_000);
    expect(news).toHaveLength(2);
  });

  it("counts as lost when it fails those who need it, whatever it says of itself", async () => {
    const host = createManualHost();
    const news: EngineNews[] = [];
    const watch = new EngineWatch(await reporting([]), host, (each) => news.push(each));
    watch.failed(DENIED);
    watch.failed(AWAY);
    watch.failed(AWAY);
    expect(news).toEqual([{ isUp: false, message: AWAY.message }]);
    await host.advance(3_000);
    expect(news).toHaveLength(2);
    watch.close();
  });
});

type Condition = Pick<EngineReport, "isUp" | "trouble">;

/** A memory engine that says of itself what a test wants. */
async function reporting(reports: readonly Condition[]): Promise<Engine & { reports: readonly Condition[] }> {
  const engine = await openEngine("memory:engine-watch");
  const said = {
    ...engine,
    reports,
    report: () =>
      said.reports.map((each) => ({
        engine: "Redis at 127.0.0.1:1",
        durability: "None.",
        warnings: [],
        ...each,
      })),
  };
  return said;
}
