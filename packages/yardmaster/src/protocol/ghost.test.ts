import { describe, expect, it } from "vitest";
import { NO_TERMS } from "../definition/terms.ts";
import { fromBuffer, toBuffer } from "./bytes.ts";
import { decodeGhost, encodeGhost, type GhostRecord } from "./ghost.ts";

const GHOST: GhostRecord = {
  worker: "w1",
  startedAt: 1_700_000_000_000,
  spec: {
    name: "report",
    queue: "reports",
    version: 2,
    attempts: 3,
    backoff: { type: "fixed", baseMs: 1_000, jitter: "none" },
    timeoutMs: 60_000,
    graceMs: 5_000,
    delivery: "at-least-once",
    keepResultMs: 1_000,
    keepFailureMs: 2_000,
    limits: { concurrency: 2, rate: null },
  },
  terms: { ...NO_TERMS, concurrencyKey: "tenant-7" },
};

describe("the record of an attempt that was given up", () => {
  it("is read as it was written", () => {
    for (const ghost of [GHOST, { ...GHOST, terms: null }])
      expect(decodeGhost(encodeGhost(ghost))).toEqual(ghost);
  });

  it("is refused where it is cut short, or longer, or of a newer version", () => {
    const bytes = encodeGhost(GHOST);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeGhost(bytes.slice(0, length))).toThrow();
    expect(() => decodeGhost(`${bytes}x`)).toThrow();
    const newer = toBuffer(bytes);
    newer[0] = 2;
    expect(() => decodeGhost(fromBuffer(newer))).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_VERSION" }),
    );
  });
});
