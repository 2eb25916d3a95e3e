import { describe, expect, it } from "vitest";
import { shownValue } from "./redaction.ts";

function shown(value: unknown, ...secretKeys: string[]): unknown {
  return JSON.parse(shownValue(value, secretKeys).json);
}

describe("a value for people", () => {
  it.each([
    "password",
    "dbPassword",
    "API_KEY",
    "x-api-key",
    "Authorization",
    "refresh_token",
    "Set-Cookie",
    "client-secret",
    "credentials",
  ])("has nothing under %s, whatever stands there", (key) => {
    expect(shown({ a: [{ [key]: { deep: "s" } }] })).toEqual({ a: [{ [key]: "[redacted]" }] });
  });

  it("hides the keys that it is told to, however they are written", () => {
    const value = { "i-ban": 1, IBAN: 2, iban_country: 3 };
    expect(shown(value, "iBan")).toEqual({ "i-ban": "[redacted]", IBAN: "[redacted]", iban_country: 3 });
  });

  it("shows the rest as it is", () => {
    const value = { keyboard: 1, monkey: [null, true, "päss"], passage: { a: 1.5 } };
    expect(shown(value)).toEqual(value);
    for (const plain of [null, 0, "", false, []]) expect(shown(plain)).toEqual(plain);
  });

  it("is cut where it is long and where it is deep", () => {
    const long = shownValue("😀".repeat(50_000), []);
    expect(long.isCut).toBe(true);
    expect(long.json).toHaveLength(65_536);
    expect(long.json.isWellFormed()).toBe(true);
    let deep: unknown = "bottom";
    for (let level = 0; level < 1_000; level += 1) deep = [deep];
    expect(shownValue(deep, []).json).toContain("[too deep]");
  });

  it("keeps a key named __proto__ a key", () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1}}');
    expect(shownValue(value, []).json).toBe('{"__proto__":{"a":1}}');
  });
});
