import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { decodeText, encodeText, fromBuffer, toBuffer } from "./bytes.ts";

describe("a byte string", () => {
  it("is the UTF-8 of a text and gives the text back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(toBuffer(encodeText(text)).toString("utf8")).toBe(text);
        expect(decodeText(encodeText(text))).toBe(text);
      }),
    );
  });

  it("holds any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(new Uint8Array(toBuffer(fromBuffer(bytes)))).toEqual(bytes);
      }),
    );
  });
});
