import { describe, expect, it } from "vitest";
import { barLine, ProgressBar } from "./progress-bar.ts";

describe("a progress bar", () => {
  it("shows how far it is, how fast, and what failed", () => {
    expect(barLine("resize", 6, 24, 0, 2_000)).toBe("resize [######..................] 6/24 25% 3/s");
    expect(barLine("resize", 24, 24, 2, 1_000)).toBe(
      "resize [########################] 24/24 100% 24/s, 2 failed",
    );
    expect(barLine("cancel", 500, null, 0, 1_000)).toBe("cancel 500 500/s");
  });

  it("draws ten times a second at most, but always the last, and takes its line away", () => {
    let now = 0;
    const drawn: string[] = [];
    const terminal = { isTTY: true, columns: 30, write: (text: string) => drawn.push(text) };
    const bar = new ProgressBar("x", terminal, { monotonic: () => now });
    bar.tell(1, 3);
    now = 50;
    bar.tell(2, 3);
    bar.tell(3, 3);
    bar.end();
    expect(drawn).toHaveLength(3);
    expect(drawn.every((text) => text.startsWith("\r") && text.length <= 30 + 4)).toBe(true);
    expect(drawn.at(-1)).toBe("\r\u001b[K");
  });

  it("is silent where no terminal is", () => {
    const bar = new ProgressBar("x", {
      write: () => {
        throw new Error("written");
      },
    });
    bar.tell(1, 1);
    bar.end();
    expect(barLine("x", 0, 0, 0, 0)).toContain("0/0");
  });
});
