import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { type LogLevel, prettyLog } from "./event-log.ts";

/** Whatever the time zone: the minutes and seconds are these. */
const AT = 1_795_468_507_000;

function written(least: LogLevel, tell: (log: ReturnType<typeof prettyLog>) => void): string {
  let text = "";
  const write = (chunk: string | Uint8Array): boolean => {
    text += String(chunk);
    return true;
  };
  tell(prettyLog({ write }, least, { now: () => AT }));
  return stripVTControlCharacters(text);
}

describe("a log for people", () => {
  it("has one line an event, with the fields that the message does not say", () => {
    const text = written("info", (log) =>
      log.tell("warn", "attemptEnded", "resize has ended: failed", {
        name: "resize",
        task: "01a2",
        code: "TIMED_OUT",
        error: "",
      }),
    );
    expect(text).toMatch(/^\d\d:15:07 WARN {2}resize has ended: failed task=01a2 code=TIMED_OUT\n$/);
  });

  it("leaves out what is less than asked for, and says so", () => {
    expect(written("warn", (log) => log.tell("info", "ready", "ready"))).toBe("");
    written("warn", (log) => expect([log.isOn("info"), log.isOn("error")]).toEqual([false, true]));
  });

  it("keeps what others wrote on its line", () => {
    const text = written("debug", (log) => log.tell("error", "x", "a\nb\u001b[31m", { error: "c\nd" }));
    expect(text.slice(9)).toBe("ERROR a\\x0ab\\x1b[31m error=c\\x0ad\n");
  });
});
