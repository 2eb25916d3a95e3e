import { describe, expect, it } from "vitest";
import { checkHistory } from "./history-file.ts";

const SLOTS = { slots: 1_000 };

describe("what is no history", () => {
  it.each([
    ["it is not JSON", "{"],
    ["it is no object", "3"],
    ['its type "x" is unknown', '{"type":"x"}'],
    ['its type "__proto__" is unknown', '{"type":"__proto__"}'],
    ["its at must be a number", '{"type":"cancelled","id":"a"}'],
    ["its id must be a text", '{"type":"cancelled","at":1,"id":7}'],
    ["its changes must be a list", '{"type":"committed","at":1,"lease":{},"sequence":1,"changes":{}}'],
    [
      "what it holds is not of a committed's form",
      '{"type":"committed","at":1,"lease":{},"sequence":1,"changes":[null]}',
    ],
  ])("is refused: %s", async (why, text) => {
    const wrong = checkHistory(["", '{"type":"cancelled","at":0,"id":"a"}', text], SLOTS);
    await expect(wrong).rejects.toMatchObject({ code: "INVALID_INPUT", details: { line: 3 } });
    await expect(wrong).rejects.toThrow(why);
  });

  it("runs forward in time", async () => {
    const lines = ['{"type":"cancelled","at":5,"id":"a"}', '{"type":"cancelled","at":4,"id":"a"}'];
    await expect(checkHistory(lines, SLOTS)).rejects.toThrow("is before that of the line above it");
  });
});
