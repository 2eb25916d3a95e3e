import { describe, expect, it } from "vitest";
import { CLIENT, KernelYard } from "../../test/kernel-yard.ts";
import fc from "../../test/property.ts";
import { toBuffer } from "../protocol/bytes.ts";
import type { Command } from "../protocol/envelope.ts";
import {
  encodeSchedule,
  MISSED_POLICIES,
  OVERLAP_POLICIES,
  type ScheduleRecord,
  tickOf,
} from "../protocol/schedule.ts";
import { storyOf } from "../protocol/story.ts";
import { isTerminal, type TaskSpec } from "../protocol/task.ts";

const START = 1_000_000;
const MINUTE = 60_000;

const SPEC: TaskSpec = {
  name: "work",
  queue: "default",
  version: 1,
  attempts: 3,
  backoff: { type: "fixed", baseMs: 1_000, jitter: "none" },
  timeoutMs: 0,
  graceMs: 5_000,
  delivery: "at-least-once",
  keepResultMs: 1_000,
  keepFailureMs: 1_000,
};

function declare(yard: KernelYard, wish: Partial<ScheduleRecord> = {}): void {
  yard.order(declaration(wish));
}

function declaration(wish: Partial<ScheduleRecord> = {}): Command {
  const plain = {
    name: "beat",
    cron: "",
    timeZone: "UTC",
    everyMs: 10_000,
    missed: "once",
    missedLimit: 100,
  } as const;
  const task = { overlap: "allow", spec: SPEC, priority: 0, expiresInMs: 0, route: "", terms: null } as const;
  const schedule = encodeSchedule({ ...plain, ...task, payload: '"in"', ...wish });
  return { type: "schedule", schedule: toBuffer(schedule).toString("base64") };
}

function sayerTo(yard: KernelYard): (request: number, command: Command, replyTo?: string) => void {
  return (request, command, replyTo = CLIENT) =>
    yard.kernel.apply({ type: "commanded", command, request, replyTo }, yard.now);
}

/** When each tick was that has made a task, since the start. */
function ticks(yard: KernelYard): number[] {
  const origins = [...yard.rows.values()].map(({ task }) => tickOf(task)?.tickAt ?? 0);
  return origins.map((at) => at - START).sort((a, b) => a - b);
}

describe("a schedule", () => {
  it("does not come back by a copy of its declaration that comes after its removal", () => {
    const yard = new KernelYard();
    const say = sayerTo(yard);
    say(3, declaration());
    say(7, { type: "unschedule", schedule: "beat" });
    say(3, declaration());
    yard.tick(30_000);
    expect(ticks(yard)).toEqual([]);
    say(8, declaration());
    say(7, { type: "unschedule", schedule: "beat" });
    yard.tick(10_000);
    expect(ticks(yard)).toEqual([40_000]);
    say(1, { type: "unschedule", schedule: "beat" }, "client:another");
    yard.tick(20_000);
    expect(ticks(yard)).toEqual([40_000]);
  });

  it("does not come back by a copy that comes after another client has removed it (seed 4179)", () => {
    const yard = new KernelYard();
    const say = sayerTo(yard);
    say(1, declaration());
    say(8, { type: "pauseSchedule", schedule: "beat" });
    say(5, { type: "unschedule", schedule: "beat" }, "client:another");
    say(1, declaration());
    say(8, declaration());
    yard.tick(30_000);
    expect(ticks(yard)).toEqual([]);
  });

  it("may come back by such a copy once ten thousand others were ordered: not all are remembered", () => {
    const yard = new KernelYard({ validate: false });
    const say = sayerTo(yard);
    say(3, declaration());
    say(7, { type: "unschedule", schedule: "beat" });
    for (let number = 0; number < 10_000; number++)
      say(8 + number, { type: "pauseSchedule", schedule: `other ${number}` });
    say(3, declaration());
    yard.tick(10_000);
    expect(ticks(yard)).toEqual([10_000]);
  });

  it("makes a task at each tick, once, whoever owns the shard", () => {
    const yard = new KernelYard();
    declare(yard);
    yard.tick();
    expect(ticks(yard)).toEqual([]);
    expect(yard.kernel.nextWakeAt()).toBe(START + 10_000);
    yard.tick(10_000);
    yard.takeover();
    yard.tick();
    yard.tick(10_000);
    expect(ticks(yard)).toEqual([10_000, 20_000]);
    const [row] = yard.rows.values();
    expect(row?.payload).toBe('"in"');
    const sentence = "Schedule beat made it for 1970-01-01T00:16:50.000Z.";
    expect(row && storyOf(row.task)[0]?.message).toBe(sentence);
    const why = row && yard.kernel.answer({ type: "explain", id: row.task.id }, yard.now);
    expect(why).toMatchObject({ sentence: expect.stringContaining(sentence), data: { schedule: "beat" } });
  });

  it("fires again when the commit of a tick was lost, and only then", () => {
    const yard = new KernelYard();
    declare(yard);
    yard.tick();
    yard.now += 10_000;
    yard.kernel.effects(yard.now);
    yard.takeover();
    yard.tick();
    expect(ticks(yard)).toEqual([10_000]);
  });

  it("goes by what the cron line says, and is refused where that is never", () => {
    const yard = new KernelYard({
      nextFire: (cron, _zone, after) => (cron === "never" ? null : (Math.floor(after / MINUTE) + 1) * MINUTE),
    });
    declare(yard, { cron: "* * * * *", everyMs: 0 });
    declare(yard, { name: "other", cron: "never", everyMs: 0 });
    yard.tick();
    expect(yard.mailOf(CLIENT, "reply").map(({ ok }) => ok)).toEqual([true, false]);
    for (let second = 0; second < 130; second++) yard.tick(1_000);
    expect(ticks(yard)).toEqual([20_000, 80_000]);
  });

  it.each([
    ["skip", 35_000, [30_000]],
    ["once", 35_000, [30_000]],
    ["all", 35_000, [10_000, 20_000, 30_000]],
  ] as const)("follows %s for ticks whose successor is due", (missed, awayMs, expected) => {
    const yard = new KernelYard();
    declare(yard, { missed });
    yard.tick();
    yard.now += awayMs;
    yard.takeover();
    yard.tick();
    expect(ticks(yard)).toEqual(expected);
  });

  it.each([
    ["skip", []],
    ["once", [2 * 600_000]],
    ["all", [600_000, 2 * 600_000]],
  ] as const)("follows %s for ticks that are late by more than a minute", (missed, expected) => {
    const yard = new KernelYard();
    declare(yard, { missed, everyMs: 600_000 });
    yard.tick();
    yard.now += 1_200_000 + MINUTE + 1;
    yard.takeover();
    yard.tick();
    expect(ticks(yard)).toEqual(expected);
    yard.tick(600_000 - MINUTE);
    expect(ticks(yard)).toEqual([...expected, 3 * 600_000]);
  });

  it("makes up for the latest of very many ticks", () => {
    const yard = new KernelYard();
    declare(yard, { missed: "all", missedLimit: 3, everyMs: 1_000 });
    yard.tick();
    yard.now += 365 * 86_400_000;
    yard.tick();
    const now = yard.now - START;
    expect(ticks(yard)).toEqual([now - 3_000, now - 2_000, now - 1_000, now]);
  });

  it("skips or queues a tick while the task before is unfinished", () => {
    for (const overlap of OVERLAP_POLICIES) {
      const yard = new KernelYard();
      const worker = yard.worker("w", { credit: 9 });
      declare(yard, { overlap });
      yard.tick();
      for (let second = 0; second < 25; second++) {
        yard.tick(1_000);
        worker.beat();
      }
      yard.takeover();
      yard.tick();
      expect(worker.held).toHaveLength(overlap === "allow" ? 2 : 1);
      worker.finish();
      yard.tick(1_000);
      expect(ticks(yard)).toEqual(overlap === "skip" ? [10_000] : [10_000, 20_000]);
    }
  });

  it("goes on where it stood when the same is declared again, and anew with other ticks", () => {
    const yard = new KernelYard();
    declare(yard);
    yard.tick(4_000);
    declare(yard, { priority: 7 });
    yard.tick(6_000);
    expect([...yard.rows.values()].map(({ task }) => task.priority)).toEqual([7]);
    declare(yard, { everyMs: 3_000 });
    yard.tick(3_000);
    expect(ticks(yard)).toEqual([10_000, 13_000]);
  });

  it("makes nothing while it is paused, misses nothing by that, and nothing once it is removed", () => {
    const yard = new KernelYard();
    declare(yard, { missed: "all" });
    yard.order({ type: "pauseSchedule", schedule: "beat" });
    yard.tick(45_000);
    yard.takeover();
    yard.tick();
    yard.order({ type: "resumeSchedule", schedule: "beat" });
    yard.tick();
    expect(ticks(yard)).toEqual([]);
    yard.tick(5_000);
    expect(ticks(yard)).toEqual([50_000]);
    yard.order({ type: "unschedule", schedule: "beat" });
    yard.order({ type: "unschedule", schedule: "beat" });
    yard.tick(60_000);
    yard.takeover();
    yard.tick();
    expect(ticks(yard)).toEqual([50_000]);
    expect(yard.side.size).toBe(0);
    expect(yard.mailOf(CLIENT, "reply").map(({ ok }) => ok)).toEqual([true, true, true, true, false]);
  });

  it("spreads thousands that fire at one time over several commits", () => {
    const yard = new KernelYard();
    for (let number = 0; number < 1_200; number++) declare(yard, { name: `beat ${number}` });
    yard.tick();
    yard.tick(10_000);
    expect(yard.rows.size).toBe(500);
    expect(yard.kernel.nextWakeAt()).toBe(yard.now);
    yard.takeover();
    yard.tick();
    yard.tick();
    expect(yard.rows.size).toBe(1_200);
    expect(new Set(ticks(yard))).toEqual(new Set([10_000]));
    expect(yard.kernel.nextWakeAt()).toBeGreaterThan(yard.now);
  });

  it("refuses what is no schedule", () => {
    const yard = new KernelYard();
    yard.order({ type: "schedule", schedule: "AAAA" });
    yard.tick();
    expect(yard.mailOf(CLIENT, "reply")[0]).toMatchObject({ ok: false, value: { code: "INVALID_OPTIONS" } });
  });

  it("runs each tick at most once, in order, and none is lost that its policies want, whatever fails", () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ type: fc.constantFrom("pass"), ms: fc.integer({ min: 0, max: 9_000 }) }),
      },
      fc.record({ type: fc.constantFrom("away"), ms: fc.integer({ min: 0, max: 150_000 }) }),
      fc.record({
        type: fc.constantFrom("takeover", "crash", "finish", "declare"),
        ms: fc.integer({ min: 0, max: 10 }),
      }),
    );
    const wish = fc.record({
      everyMs: fc.constantFrom(1_000, 7_000, 90_000),
      isCron: fc.constantFrom(true, false),
      missed: fc.constantFrom(...MISSED_POLICIES),
      overlap: fc.constantFrom(...OVERLAP_POLICIES),
    });
    const seen = new Set<string>();
    fc.assert(
      fc.property(wish, fc.array(step, { maxLength: 40 }), ({ everyMs, isCron, missed, overlap }, steps) => {
        const nextFire = (_cron: string, _zone: string, after: number): number =>
          START + (Math.floor((after - START) / everyMs) + 1) * everyMs;
        const yard = new KernelYard({ nextFire, workerLossMs: 1e12 });
        const worker = yard.worker("w", { credit: 100_000 });
        const when = isCron ? { cron: "* * * * *", everyMs: 0 } : { everyMs };
        const declared = { ...when, missed, overlap, missedLimit: 1_000 };
        declare(yard, declared);
        yard.tick();
        for (const { type, ms } of steps) {
          seen.add(`${type} ${missed} ${overlap}`);
          if (type === "crash") yard.kernel.effects(yard.now + ms);
          if (type === "finish" && worker.held.length > 0) worker.finish();
          if (type === "declare") declare(yard, declared);
          if (type === "takeover" || type === "crash" || type === "away") {
            yard.now += ms;
            yard.takeover();
          }
          worker.beat();
          yard.tick(type === "pass" ? ms : 0);
          const open = [...yard.rows.values()].filter(({ task }) => !isTerminal(task.state));
          if (overlap !== "allow") expect(open.length).toBeLessThanOrEqual(1);
        }
        // An idle worker learns of the new owner by its heartbeat.
        worker.beat();
        yard.tick();
        for (yard.tick(); worker.held.length > 0; yard.tick()) worker.finish();
        const ran = ticks(yard);
        const due = Math.floor((yard.now - START) / everyMs);
        expect(new Set(ran).size).toBe(ran.length);
        expect(ran.every((at) => at > 0 && at % everyMs === 0)).toBe(true);
        // An interval counts from the declaration, which was at the start.
        if (missed === "all" && overlap !== "skip") expect(ran).toHaveLength(due);
        if (missed === "once" && overlap !== "skip" && due > 0) expect(ran.at(-1)).toBe(due * everyMs);
      }),
      { numRuns: 600 },
    );
    expect(seen.size).toBe(6 * MISSED_POLICIES.length * OVERLAP_POLICIES.length);
  });
});
