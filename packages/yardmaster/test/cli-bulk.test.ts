import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";
import { Terminal } from "./terminal.ts";

/** A line of a terminal that was taken away. */
const CLEARED = "\r\u001b[K";

describe("many tasks on the command line", () => {
  let yard: CliYard;

  beforeEach(() => {
    yard = new CliYard();
  });

  afterEach(() => yard.close());

  it("are submitted from lines, waited for, and counted", async () => {
    await yard.start("start", HANDLERS);
    const lines = '{"n":1}\n\n{"n":2}\n{"n":3}\n';
    const ended = await yard.runWithInput(lines, "submit", "echo", "-", "--many", "--wait", "--json");
    expect(ended.code).toBe(0);
    const ends = ended.stdout.split("\n").map((line) => JSON.parse(line));
    expect(ends.map(({ result }) => result.n).sort()).toEqual([1, 2, 3]);
    expect(ended.stderr).toBe("3 ended, 0 failed");

    const boom = await yard.runWithInput(
      '{"message":"a"}\n{"message":"b"}',
      ...["submit", "boom", "-", "--many", "--attempts", "1", "--wait"],
    );
    expect(boom.code).toBe(1);
    expect(boom.stderr).toContain("2 ended, 2 failed");

    const again = await yard.run("bulk", "retry", "--name", "boom");
    expect([again.code, again.stderr]).toEqual([0, "2 done, 0 failed"]);
    expect(await yard.json("list", "--name", "boom")).toHaveLength(4);
  });

  it("are refused where a line is no JSON, or would all be one task", async () => {
    await yard.start("dispatcher");
    const torn = await yard.runWithInput("1\n{", "submit", "echo", "-", "--many");
    expect(torn).toMatchObject({ code: 2, stderr: expect.stringContaining("line 2 is not JSON") });
    expect(await yard.run("submit", "echo", "1", "--many")).toMatchObject({ code: 2 });
    expect(await yard.runWithInput("1", "submit", "echo", "-", "--many", "--key", "k")).toMatchObject({
      code: 2,
    });
  });

  it("are cancelled in steps, and named before where asked", async () => {
    await yard.start("dispatcher");
    const lines = Array.from({ length: 1_200 }, (_, index) => index).join("\n");
    await yard.runWithInput(lines, "submit", "echo", "-", "--many", "--queue", "mail");
    expect(await yard.run("bulk", "cancel")).toMatchObject({ code: 2 });
    const some = await yard.run("bulk", "cancel", "--queue", "mail", "--limit", "3", "--dry-run");
    expect(some.stdout.split("\n")).toHaveLength(3);
    const done = await yard.run("bulk", "cancel", "--queue", "mail", "--reason", "a mistake");
    expect([done.code, done.stderr]).toEqual([0, "1200 done, 0 failed"]);
    expect(await yard.json("list", "--queue", "mail", "--state", "ready")).toEqual([]);
  });

  it("are shown as they go on in a terminal, on a line that is taken away again", async () => {
    await yard.start("start", HANDLERS);
    const lines = join(yard.folder, "lines");
    writeFileSync(lines, Array.from({ length: 400 }, (_, index) => index).join("\n"));
    const url = ["--url", yard.url];
    const submit = new Terminal(["submit", "echo", "-", "--many", "--wait", ...url], lines);
    expect(await submit.ended()).toBe(0);
    expect(submit.text).toMatch(/\recho \[#{24}\] 400\/400 100% \d+\/s/);
    expect(submit.text.endsWith(`${CLEARED}400 ended, 0 failed\r\n`)).toBe(true);
    expect(await yard.run("pause", "mail")).toMatchObject({ code: 0 });
    await yard.runWithInput("1\n2\n3", "submit", "echo", "-", "--many", "--queue", "mail");
    const cancel = new Terminal(["bulk", "cancel", "--queue", "mail", ...url]);
    expect(await cancel.ended()).toBe(0);
    expect(cancel.text).toMatch(/\rcancel 3 \d+\/s/);
    expect(cancel.text.endsWith(`${CLEARED}3 done, 0 failed\r\n`)).toBe(true);
  });
});
