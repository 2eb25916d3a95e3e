import { Writable } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { YardmasterError } from "../protocol/errors.ts";
import { exitCodeOf } from "./exit-code.ts";
import { errorLine, type ListView, type Output, outputTo } from "./output.ts";
import { facts } from "./table.ts";

const VIEW: ListView<string> = {
  headings: ["NAME", "SIZE"],
  row: (name) => [name, String(name.length)],
  json: (name) => ({ name }),
  none: "nothing",
};

let stdout: string;
let stderr: string;

beforeEach(() => {
  stdout = "";
  stderr = "";
});

describe("output for people", () => {
  it("lines up columns and neutralises what is in them", () => {
    output(false).list(["ab", "\u001b[1mlong"], VIEW);
    expect(stdout).toBe("NAME         SIZE\nab           2\n\\x1b[1mlong  8\n");
  });

  it("says so when a list is empty", () => {
    output(false).list([], VIEW);
    expect(stdout).toBe("nothing\n");
  });

  it("lines up facts", () => {
    expect(
      facts([
        ["id", "1"],
        ["state", "ready"],
      ]),
    ).toBe("id     1\nstate  ready");
  });

  it("prints no object", () => {
    output(false).emit({ id: 1 });
    expect(stdout).toBe("");
  });
});

describe("output for programs", () => {
  it("is one object a line, and nothing for an empty list", () => {
    output(true).list(["a", "b"], VIEW);
    output(true).list([], VIEW);
    output(true).say("for people");
    expect(stdout).toBe('{"name":"a"}\n{"name":"b"}\n');
  });
});

describe("diagnostics", () => {
  it("go to stderr in both", () => {
    output(true).note("one\u0007");
    output(false).note("two");
    expect([stdout, stderr]).toEqual(["", "one\\x07\ntwo\n"]);
  });

  it("name the code on one line", () => {
    expect(errorLine(new YardmasterError("TASK_FAILED", "no\nluck"))).toBe(
      "yardmaster: TASK_FAILED: no\\u000aluck",
    );
    expect(errorLine("odd")).toBe("yardmaster: odd");
  });

  it("end with the code that the error stands for", () => {
    const codes = [
      "TASK_FAILED",
      "INVALID_URL",
      "TASK_NOT_FOUND",
      "STORE_UNAVAILABLE",
      "WAIT_TIMED_OUT",
    ] as const;
    expect(codes.map((code) => exitCodeOf(new YardmasterError(code, "")))).toEqual([1, 2, 3, 4, 5]);
    expect(exitCodeOf(new Error("a defect"))).toBe(70);
  });
});

function output(json: boolean): Output {
  const out = sink((text) => {
    stdout += text;
  });
  const err = sink((text) => {
    stderr += text;
  });
  return outputTo(out, err, json);
}

function sink(take: (text: string) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _, done) {
      take(chunk.toString());
      done();
    },
  });
}
