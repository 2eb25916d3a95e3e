import { describe, expect, it } from "vitest";
import fc from "../../test/property.ts";
import { plain, plainJson, plainLines, truncated } from "./plain-text.ts";

const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const text = fc.string({ unit: "binary" });

describe("plain text", () => {
  it("shows an escape sequence instead of obeying it", () => {
    expect(plain("\u001b[2Jgone\u009b31m\u202e")).toBe("\\x1b[2Jgone\\x9b31m\\u{202e}");
  });

  it("keeps the lines of a stack and nothing else that moves the cursor", () => {
    expect(plainLines("Error\n\tat\r\u0007")).toBe("Error\n\tat\\x0d\\x07");
  });

  it("leaves no control character in any text", () => {
    fc.assert(fc.property(text, (value) => !UNSAFE.test(plain(value))));
  });

  it("leaves none in JSON either, and changes no value", () => {
    fc.assert(
      fc.property(text, (value) => {
        const json = plainJson({ value });
        expect(json).not.toMatch(UNSAFE);
        expect(JSON.parse(json)).toEqual({ value });
      }),
    );
  });

  it("cuts within the limit and never inside a character", () => {
    expect(truncated("yard", 4)).toBe("yard");
    expect(truncated("yards", 4)).toBe("yar…");
    expect(truncated("ab\u{1f682}cd", 4)).toBe("ab…");
  });
});
