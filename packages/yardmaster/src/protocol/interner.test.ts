import { describe, expect, it } from "vitest";
import { Interner, internText } from "./interner.ts";

describe("an interner", () => {
  it("stays within its bound and keeps what is asked for", () => {
    const interner = new Interner<number>(100);
    interner.set("kept", 1);
    for (let number = 0; number < 10_000; number++) {
      interner.set(`passing ${number}`, number);
      expect(interner.get("kept")).toBe(1);
      expect(interner.size).toBeLessThanOrEqual(200);
    }
    expect(interner.get("passing 0")).toBeUndefined();
    expect(interner.get("passing 9999")).toBe(9999);
  });

  it("gives the text that it got", () => {
    expect(internText("client:c")).toBe("client:c");
    expect(internText(["client", "c"].join(":"))).toBe("client:c");
    expect(internText("")).toBe("");
  });
});
