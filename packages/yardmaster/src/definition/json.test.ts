import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { decodeJson, encodeJson } from "./json.ts";

function pathOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    if (error instanceof YardmasterError) return [error.code, error.details["path"]];
    throw error;
  }
  return "nothing thrown";
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = { a: value };
  return value;
}

const cycle: Record<string, unknown> = { left: {} };
cycle["left"] = { back: cycle };

describe("encodeJson", () => {
  it.each<[string, unknown]>([
    ["$", Number.NaN],
    ["$.a", { a: Number.POSITIVE_INFINITY }],
    ["$.a[1].b", { a: [{ b: 1 }, { b: Number.NaN }] }],
    ["$[0]", [undefined]],
    ["$[1]", [1, () => 1]],
    ["$.n", { n: 1n }],
    ["$.s", { s: Symbol("s") }],
    ['$["two words"]', { "two words": 1n }],
    ["$.__proto__", JSON.parse('{"__proto__":1}')],
    ["$.left.back", cycle],
    ["$.m", { m: new Map([[1, 2]]) }],
    ["$.b", { b: new Uint8Array(2) }],
    // biome-ignore lint/style/noRestrictedGlobals: a fixed instant as data reads no clock.
    ["$.d", { d: new Date(Number.NaN) }],
    ["$.t", { t: { toJSON: () => Number.NaN } }],
  ])("refuses at %s", (path, value) => {
    expect(pathOf(() => encodeJson(value))).toEqual(["INVALID_INPUT", path]);
  });

  it("blames the result when it encodes one", () => {
    expect(pathOf(() => encodeJson([1n], "RESULT_INVALID"))).toEqual(["RESULT_INVALID", "$[0]"]);
  });

  it("writes dates, omits undefined properties and keeps undefined itself", () => {
    // biome-ignore lint/style/noRestrictedGlobals: a fixed instant as data reads no clock.
    expect(encodeJson({ at: new Date(0), gone: undefined })).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
    expect(decodeJson(encodeJson(undefined))).toBe(undefined);
    expect(decodeJson(encodeJson(null))).toBe(null);
  });

  it("refuses depth without overflowing the stack", () => {
    expect(encodeJson(nested(999))).toContain('{"a":1}');
    expect(pathOf(() => encodeJson(nested(100_000)))).toEqual([
      "INVALID_INPUT",
      expect.stringContaining("$.a.a"),
    ]);
  });

  it("ends at a small graph with many cycles", () => {
    const knot: unknown[] = [];
    for (let count = 0; count < 10; count += 1) knot.push(knot);
    expect(pathOf(() => encodeJson({ knot }))).toEqual(["INVALID_INPUT", "$.knot[0]"]);
  });

  it("brings back what it wrote", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(decodeJson(encodeJson(value))).toEqual(plain);
      }),
    );
  });
});

describe("decodeJson", () => {
  it.each([
    ["$.__proto__", '{"__proto__":{"admin":true}}'],
    ["$.a[0].__proto__", '{"a":[{"\\u005f_proto__":1}]}'],
    ["$.__proto__", '{"__pr\\u006fto__":1}'],
  ])("refuses a polluting key at %s", (path, text) => {
    expect(pathOf(() => decodeJson(text))).toEqual(["INVALID_INPUT", path]);
  });

  it("takes the word as a value", () => {
    expect(decodeJson('{"a":"__proto__"}')).toEqual({ a: "__proto__" });
  });

  it("refuses depth and text that is not JSON", () => {
    expect(pathOf(() => decodeJson("[".repeat(50_000) + "]".repeat(50_000)))).toMatchObject([
      "INVALID_INPUT",
      {},
    ]);
    expect(() => decodeJson("{")).toThrow(/is not JSON/);
  });
});
