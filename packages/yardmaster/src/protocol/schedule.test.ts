import { describe, expect, it } from "vitest";
import { NO_TERMS } from "../definition/terms.ts";
import { fromBuffer, toBuffer } from "./bytes.ts";
import { decodeSchedule, encodeSchedule, type ScheduleRecord, tickKey, tickOf } from "./schedule.ts";

const NIGHTLY: ScheduleRecord = {
  name: "nightly",
  cron: "0 3 * * *",
  timeZone: "Europe/Berlin",
  everyMs: 0,
  missed: "all",
  missedLimit: 7,
  overlap: "queue",
  spec: {
    name: "report",
    queue: "reports",
    version: 1,
    attempts: 3,
    backoff: { type: "fixed", baseMs: 1_000, jitter: "none" },
    timeoutMs: 60_000,
    graceMs: 5_000,
    delivery: "at-least-once",
    keepResultMs: 1_000,
    keepFailureMs: 2_000,
  },
  priority: 9,
  expiresInMs: 500,
  route: "eu",
  terms: { ...NO_TERMS, fairnessKey: "tenant-7" },
  payload: fromBuffer(Buffer.from('"ü"')),
};

describe("a schedule's record", () => {
  it("is read as it was written", () => {
    const plain = { ...NIGHTLY, cron: "", everyMs: 1_000, terms: null, route: "", payload: "" };
    for (const schedule of [NIGHTLY, plain])
      expect(decodeSchedule(encodeSchedule(schedule))).toEqual(schedule);
  });

  it("is refused where it is cut short, or longer, or of a newer version", () => {
    const bytes = encodeSchedule(NIGHTLY);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeSchedule(bytes.slice(0, length))).toThrow();
    expect(() => decodeSchedule(`${bytes}x`)).toThrow();
    const newer = toBuffer(bytes);
    newer[0] = 2;
    expect(() => decodeSchedule(fromBuffer(newer))).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_VERSION" }),
    );
  });

  it("has a cron line or an interval, and an input that fits", () => {
    const cases = [{ everyMs: 1_000 }, { cron: "", everyMs: 999 }];
    for (const wish of cases) expect(() => decodeSchedule(encodeSchedule({ ...NIGHTLY, ...wish }))).toThrow();
    expect(() => encodeSchedule({ ...NIGHTLY, payload: "x".repeat(65_537) })).toThrow();
  });
});

describe("the tick of a task", () => {
  it("is told by the record of a task that nobody submitted", () => {
    const key = tickKey("a@b", 12);
    expect(tickOf({ key, replyTo: "" })).toEqual({ schedule: "a@b", tickAt: 12 });
    expect(tickOf({ key, replyTo: "client:c" })).toBeNull();
    expect(tickOf({ key: "mine", replyTo: "" })).toBeNull();
  });
});
