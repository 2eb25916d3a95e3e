import { describe, expect, it } from "vitest";
import { cronFlaw, nextFire } from "../src/cron.ts";

function fires(cron: string, timeZone: string, from: string, count: number): string[] {
  const times: string[] = [];
  for (let after = Date.parse(from); times.length < count; ) {
    const next = nextFire(cron, timeZone, after);
    if (next === null) break;
    expect(next).toBeGreaterThan(after);
    times.push(new Date(next).toISOString().slice(0, 16));
    after = next;
  }
  return times;
}

describe("a cron line", () => {
  it("fires once, when the clock has jumped, where spring skips its time", () => {
    const nights = ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"];
    expect(fires("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00Z", 3)).toEqual(nights);
  });

  it("fires once where autumn has its time twice", () => {
    const nights = ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"];
    expect(fires("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00Z", 3)).toEqual(nights);
  });

  it.each(["30 2,14 * * *", "30 2,14 * * 0-6"])("with a list of hours keeps to that: %s", (line) => {
    const spring = ["2026-03-28T13:30", "2026-03-29T01:00", "2026-03-29T12:30"];
    expect(fires(line, "Europe/Berlin", "2026-03-28T12:00Z", 3)).toEqual(spring);
    const autumn = ["2026-10-25T00:30", "2026-10-25T13:30", "2026-10-26T01:30"];
    expect(fires(line, "Europe/Berlin", "2026-10-24T20:00Z", 3)).toEqual(autumn);
  });

  it("fires in no hour that spring skips where each hour has its turn", () => {
    const hours = ["2026-03-29T00:15", "2026-03-29T01:15", "2026-03-29T02:15"];
    expect(fires("15 * * * *", "Europe/Berlin", "2026-03-28T23:30Z", 3)).toEqual(hours);
  });

  it("fires in both hours of autumn where each hour has its turn", () => {
    const hours = ["2026-10-24T23:00", "2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"];
    expect(fires("0 * * * *", "Europe/Berlin", "2026-10-24T22:30Z", 4)).toEqual(hours);
  });

  it("knows that Lord Howe moves its clocks by half an hour", () => {
    const spring = ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"];
    expect(fires("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00Z", 3)).toEqual(spring);
    const autumn = ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"];
    expect(fires("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T12:00Z", 3)).toEqual(autumn);
  });

  it("answers the same whatever it was asked before", () => {
    const at = (time: string): number => Date.parse(time);
    expect(nextFire("0 5 * * *", "UTC", at("2026-01-02T00:00Z"))).toBe(at("2026-01-02T05:00Z"));
    expect(nextFire("0 5 * * *", "UTC", at("2026-01-01T00:00Z"))).toBe(at("2026-01-01T05:00Z"));
    expect(nextFire("0 5 * * *", "UTC", at("2026-01-01T04:59Z"))).toBe(at("2026-01-01T05:00Z"));
    expect(nextFire("0 5 * * *", "UTC", at("2026-01-01T05:00Z"))).toBe(at("2026-01-02T05:00Z"));
  });

  it("is told which field is wrong", () => {
    expect(cronFlaw("0 3 * * *", "Europe/Berlin", 0)).toBeNull();
    expect(cronFlaw("0 0 30 2 *", "UTC", 0)?.field).toBe("cron");
    expect(cronFlaw("61 * * * *", "UTC", 0)?.field).toBe("cron");
    expect(cronFlaw("@daily", "UTC", 0)?.field).toBe("cron");
    expect(cronFlaw("* * * * *", "Mars/Olympus", 0)?.field).toBe("timeZone");
    expect(nextFire("nonsense", "UTC", 0)).toBeNull();
  });
});
