import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { BOUNDS_MS, type HistogramView, type QueueStats } from "../../protocol/stats.ts";
import { frameOf, type View } from "./frame.ts";
import type { Snapshot } from "./snapshot.ts";

const AT = 1_795_468_507_000;
const VIEW: View = {
  columns: 120,
  rows: 40,
  sort: "waiting",
  isPaused: false,
  title: "sqlite:./yard.db",
  trouble: "",
};

function waits(bucket: number, count: number): HistogramView {
  return {
    counts: [...BOUNDS_MS.keys(), BOUNDS_MS.length].map((at) => (at === bucket ? count : 0)),
    sumMs: 0,
  };
}

function statsOf(queue: string, succeeded: number, failed = 0): QueueStats {
  const wait = waits(3, succeeded);
  const rest = { cancelled: 0, expired: 0, retried: 0, wait, run: wait, total: wait, backlogMs: 40_000 };
  return { queue, submitted: succeeded + failed + 50, succeeded, failed, ...rest };
}

function snapshotAt(seconds: number, done: number, queues: readonly string[] = ["mail", "media"]): Snapshot {
  return {
    at: AT + seconds * 1_000,
    atMono: seconds * 1_000,
    stats: {
      queues: queues.map((name) => statsOf(name, done, done / 10)),
      slots: 40,
      used: 10,
      fencedCommits: 0,
    },
    queues: queues.map((name, index) => ({
      name,
      order: "fifo",
      placement: "two-choices",
      paused: name === "media",
      revision: 1,
      scheduled: 0,
      blocked: 0,
      ready: 100 * (index + 1),
      active: 10,
      parked: 0,
    })),
    workers: ["w1", "w2"].map((id) => ({
      id,
      credit: 20,
      used: id === "w1" ? 10 : 0,
      draining: id === "w2",
      registered: true,
      lastHeardAt: "2026-11-23T21:15:07.000Z",
      labels: { zone: "eu" },
      resources: {},
      resourcesUsed: {},
      tasks: ["send@1"],
    })),
    stuck: [{ id: "01a2", name: "encode", queue: "media", waitedMs: 65_000, why: "Queue media is paused." }],
  };
}

function shown(now: Snapshot, before: Snapshot | null, view: Partial<View> = {}): string[] {
  return frameOf(now, before, { ...VIEW, ...view }).map(stripVTControlCharacters);
}

describe("a frame of top", () => {
  it("shows rates between two looks, queues, workers and what waits long", () => {
    const lines = shown(snapshotAt(2, 200), snapshotAt(0, 100));
    expect(lines[1]).toBe("submitted 110/s   ended 110/s   failed 10/s   waiting 300");
    expect(lines[2]).toBe(`slots [${"|".repeat(5)}${" ".repeat(15)}] 10/40 on 2 workers`);
    const mail = lines.find((line) => line.startsWith("mail")) ?? "";
    expect(mail.split(/\s{1,}/)).toEqual([
      "mail",
      "open",
      "100",
      "10",
      "0",
      "0",
      "55",
      "55",
      "≤",
      "50ms",
      "1.0s",
    ]);
    expect(lines.find((line) => line.startsWith("media"))).toContain("paused");
    expect(lines.find((line) => line.startsWith("w2"))).toContain("draining");
    expect(lines.join("\n")).toContain("1m  01a2 encode in media: Queue media is paused.");
  });

  it("has no rate before the second look, and none below 0 after a takeover", () => {
    expect(shown(snapshotAt(0, 100), null)[1]).toContain("ended 0/s");
    expect(shown(snapshotAt(2, 5), snapshotAt(0, 100))[1]).toContain("ended 0/s");
  });

  it("sorts by what waits, by rate, or by name", () => {
    const order = (sort: View["sort"]): string[] =>
      shown(snapshotAt(2, 200), snapshotAt(0, 100), { sort })
        .map((line) => /^(mail|media)\b/.exec(line)?.[0] ?? "")
        .filter((name) => name !== "");
    expect(order("waiting")).toEqual(["media", "mail"]);
    expect(order("name")).toEqual(["mail", "media"]);
  });

  it("fits a small terminal and says what it leaves out", () => {
    const many = snapshotAt(
      0,
      1,
      Array.from({ length: 50 }, (_, index) => `queue-${index}`),
    );
    const lines = shown(many, null, { rows: 20, columns: 60 });
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.join("\n")).toMatch(/… and \d+ more/);
  });

  it("shows names as text, and keeps the old picture with what went wrong", () => {
    const lines = shown(snapshotAt(0, 1, ["a\u001b[2Jb"]), null, { trouble: "No dispatcher answered" });
    expect(lines.find((line) => line.startsWith("a\\x1b[2Jb"))).toBeDefined();
    expect(lines).toContain("No dispatcher answered");
  });

  it("says what to do in an empty yard", () => {
    const empty = { ...snapshotAt(0, 0, []), workers: [], stuck: [] };
    const text = shown(empty, null).join("\n");
    expect(text).toContain("no queues yet");
    expect(text).toContain("yardmaster worker FILE");
    expect(text).toContain("Waiting long: nothing");
  });
});
