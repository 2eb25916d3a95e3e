import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { barChart } from "../../../bench/chart.ts";
import { type Comparison, keptRuns } from "../../../bench/record.ts";
import { lastRuns, pictures } from "../../../bench/tables.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

const run: Comparison = {
  engine: "redis",
  commit: "abcdef0",
  at: "2026-11-29T04:00:00.000Z",
  machine: "2 × Processor, 8 GiB",
  load: 1,
  node: "v24.21.0",
  servers: ["Redis 7.0.15"],
  durability: "Redis without persistence",
  settings: { "other 1.2.3": "as it comes" },
  payloadBytes: 100,
  tasks: 50_000,
  seconds: 5,
  repeat: 3,
  measures: {
    roundtrip500: {
      yardmaster: { median: 43_219, min: 40_000, max: 45_678 },
      other: { median: 9_876, min: 9_000, max: 10_001 },
    },
    drain: { yardmaster: { median: 12_345, min: 12_000, max: 13_000 } },
  },
  ratios: { other: { roundtrip500: { median: 4.376, min: 4, max: 5 } } },
};

describe("the figures of the bench in README.md, docs/performance.md and docs/img", () => {
  it("are those of the last runs in docs/runs, and no others (npm run bench -- --chart)", () => {
    expect(keptRuns().length).toBeGreaterThan(0);
    for (const [path, text] of pictures()) expect(readFileSync(resolve(ROOT, path), "utf8")).toBe(text);
  });

  it("come with what they were measured under", () => {
    for (const { commit, at, machine, servers, durability, settings } of keptRuns()) {
      expect(commit).toMatch(/^[0-9a-f]{7,}\+?$/);
      expect(new Date(at).toISOString()).toBe(at);
      expect([machine, durability, ...servers, ...Object.values(settings)].every((text) => text !== "")).toBe(
        true,
      );
    }
  });

  it("are shown with their ratios, and left empty where a system has none", () => {
    const text = pictures([run]).get("README.md") ?? "";
    expect(text).toContain("| | Yardmaster | other 1.2.3 |");
    expect(text).toContain("| end to end, 500 in flight, every result awaited | 43,200/s | 9,880/s: × 4.4 |");
    expect(text).toContain("| drain of a backlog of 50,000 | 12,300/s |  |");
    expect(text).toContain(
      "Redis 7.0.15; Node.js 24.21.0; 2 × Processor, 8 GiB, shared by everything (load average 1 before it began)",
    );
    const long = pictures([run]).get("docs/performance.md") ?? "";
    expect(long).toContain("43,200/s (40,000 to 45,700)");
    expect(long).toContain("- other 1.2.3: as it comes.");
  });

  it("are of the last run of each engine", () => {
    const later: Comparison = { ...run, commit: "fedcba9" };
    const elsewhere: Comparison = { ...run, engine: "postgres" };
    expect(lastRuns([run, elsewhere, later])).toEqual([later, elsewhere]);
  });

  it("are put together where a run was made in pieces", () => {
    const submit = { yardmaster: { median: 9, min: 9, max: 9 }, another: { median: 3, min: 3, max: 3 } };
    const piece: Comparison = {
      ...run,
      load: 0,
      settings: { "another 1.0.0": "tuned" },
      measures: { submit },
      ratios: { another: { submit: { median: 3, min: 3, max: 3 } } },
    };
    expect(lastRuns([run, piece])).toEqual([
      {
        ...run,
        settings: { ...run.settings, ...piece.settings },
        measures: { ...run.measures, submit },
        ratios: { ...run.ratios, ...piece.ratios },
      },
    ]);
  });

  it("are drawn to scale, with the reader's colours", () => {
    const chart = barChart(run);
    const widths = [...chart.matchAll(/<rect class="(\w+)"[^>]* width="([\d.]+)"/g)].map(([, , width]) =>
      Number(width),
    );
    const [own = 0, other = 0, drain = 0] = widths;
    expect(widths).toHaveLength(3);
    expect(own / other).toBeCloseTo(43_219 / 9_876, 1);
    // Each group has a scale of its own, up to the most that was seen.
    expect(drain / own).toBeCloseTo(12_345 / 13_000 / (43_219 / 45_678), 1);
    expect(chart).toContain("prefers-color-scheme:dark");
    expect(chart).toContain("43,200/s");
  });
});
