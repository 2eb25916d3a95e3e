import { describe, expect, it } from "vitest";
import { checkDelay, checkKey, checkName, checkPriority, isKey, isName, MAX_DELAY_MS } from "./check.ts";

describe("names and keys", () => {
  it("may be anything that people write", () => {
    for (const text of ["a", "image.resize", "médias", "タスク", "a b", "😀", "__proto__", "é".repeat(128)]) {
      expect(isName(text)).toBe(true);
      checkName(text, "The name");
    }
    checkKey("k".repeat(1024), "The key");
  });

  it("are refused when they are empty, too long, hold control characters or are not well-formed", () => {
    for (const text of ["", "é".repeat(129), "a\nb", "\u0000", "\u007f", "\u0085", "\ud800"]) {
      expect(isName(text)).toBe(false);
      expect(() => checkName(text, "The name")).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
    }
    expect(isKey("k".repeat(1025))).toBe(false);
  });

  it("say whose they are, what is wrong and what to do", () => {
    expect(() => checkName("a\tb", "The queue's name")).toThrow(
      'The queue\'s name "a\\tb" holds control characters: leave out line breaks, tabs and the like.',
    );
    expect(() => checkKey("", "idempotencyKey")).toThrow(
      'idempotencyKey "" is empty: give at least one character.',
    );
  });
});

describe("delays and priorities", () => {
  it("are accepted within their ranges", () => {
    for (const delayMs of [0, 0.5, 1000, MAX_DELAY_MS]) checkDelay(delayMs, "delayMs");
    for (const priority of [0, 255]) checkPriority(priority, "priority");
  });

  it("are refused beyond them, with the range", () => {
    for (const delayMs of [-1, MAX_DELAY_MS + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => checkDelay(delayMs, "delayMs")).toThrow(/^delayMs is .*: give milliseconds from 0 to /);
    }
    for (const priority of [-1, 256, 1.5, Number.NaN]) {
      expect(() => checkPriority(priority, "priority")).toThrow(
        expect.objectContaining({ code: "INVALID_OPTIONS" }),
      );
    }
  });
});
