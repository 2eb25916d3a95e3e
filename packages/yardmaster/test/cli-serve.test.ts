import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TaskHandle } from "../src/client/handle.ts";
import { defineTask } from "../src/definition.ts";
import { connect, type Yard } from "../src/yard.ts";
import { type CliProcess, CliYard, HANDLERS } from "./cli-process.ts";
import { hold, type RanBy } from "./cli-tasks.ts";

const SOURCES = join(import.meta.dirname, "../src");

let yard: CliYard;
let client: Yard;

beforeEach(async () => {
  yard = new CliYard();
  client = await connect(yard.url);
});

afterEach(async () => {
  await client.close();
  await yard.close();
});

describe("a worker that is asked to end", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("finishes what runs after %s and ends with 0", async (signal) => {
    await yard.start("dispatcher");
    const worker = await yard.start("worker", HANDLERS);
    const task = await runningHold("release");
    worker.kill(signal);
    await worker.line(/finishing what runs/);
    release("release");
    expect(await task.result()).toEqual({ pid: worker.pid, attempt: 1 });
    expect(await worker.ended).toMatchObject({ code: 0, signal: null });
  });

  it("leaves what waits to the others at once", async () => {
    await yard.start("dispatcher");
    const first = await yard.start("worker", HANDLERS, "--slots", "1");
    const running = await runningHold("release");
    release("free");
    const waiting = await client.submit(hold, { until: join(yard.folder, "free") });
    await waiting.accepted();
    first.kill("SIGTERM");
    await first.line(/finishing what runs/);
    const second = await yard.start("worker", HANDLERS, "--slots", "1");
    expect(await waiting.result()).toEqual({ pid: second.pid, attempt: 1 });
    release("release");
    expect(await running.result()).toEqual({ pid: first.pid, attempt: 1 });
  });

  it("aborts in the end what does not finish, for another worker to run again", async () => {
    await yard.start("dispatcher");
    const first = await yard.start("worker", HANDLERS, "--grace-ms", "200");
    const task = await runningHold("never");
    first.kill("SIGTERM");
    await first.ended;
    release("never");
    const second = await yard.start("worker", HANDLERS);
    expect(await task.result()).toEqual({ pid: second.pid, attempt: 2 });
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("ends at once at the second %s, with %i", async (signal, code) => {
    await yard.start("dispatcher");
    const worker = await yard.start("worker", HANDLERS);
    await runningHold("never");
    worker.kill(signal);
    await worker.line(/finishing what runs/);
    worker.kill(signal);
    expect(await worker.ended).toMatchObject({ code });
  });

  it("ends when it has been drained", async () => {
    await yard.start("dispatcher");
    const worker = await yard.start("worker", HANDLERS);
    const task = await runningHold("release");
    const [shown] = await client.workers();
    expect(await yard.run("drain", shown?.id ?? "")).toMatchObject({ code: 0 });
    release("release");
    expect(await task.result()).toEqual({ pid: worker.pid, attempt: 1 });
    expect(await worker.ended).toMatchObject({ code: 0 });
  });
});

describe("a dispatcher that is asked to end", () => {
  it("gives up what it owns and ends with 0", async () => {
    const first = await yard.start("dispatcher");
    const second = await yard.start("dispatcher");
    await second.line(/standing by/);
    first.kill("SIGTERM");
    expect(await first.ended).toMatchObject({ code: 0 });
    await second.line(/is owned by this dispatcher/);
  });
});

describe("a worker file", () => {
  it.each([
    ["throws when it is imported", 'throw new Error("not today");', "not today"],
    ["exports nothing", "export {};", "no default export"],
    ["exports something else", "export default { handlers: [] };", "it is a object"],
    ["is not JavaScript", "export default [;", "cannot be loaded"],
  ])("that %s ends the worker with 2", async (_, text, complaint) => {
    const file = join(yard.folder, "broken.ts");
    writeFileSync(file, text);
    const { code, stdout, stderr } = await yard.run("worker", file);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("INVALID_WORKER_FILE");
    expect(stderr).toContain(complaint);
  });

  it("that does not exist ends every command that needs one with 2", async () => {
    for (const command of ["worker", "start", "dev"]) {
      const { code, stderr } = await yard.run(command, "nowhere.ts");
      expect({ command, code }).toEqual({ command, code: 2 });
      expect(stderr).toContain("nowhere.ts");
    }
  });
});

describe("dev", () => {
  it("says what to try, starts again with the changed file and survives a broken one", async () => {
    const file = join(yard.folder, "worker.ts");
    writeFileSync(file, answering("one"));
    const dev = yard.spawn("dev", file);
    await dev.line(/npx yardmaster submit say '\{\}' --wait/);
    expect(await said()).toBe("one");
    writeFileSync(file, "export default [;");
    await dev.line(/waiting for a change/);
    writeFileSync(file, answering("two"));
    expect(await said()).toBe("two");
    dev.kill("SIGTERM");
    expect(await dev.ended).toMatchObject({ code: 0 });
  });

  it("leaves no worker behind when it is killed", async () => {
    const dev = yard.spawn("dev", HANDLERS);
    await dev.line(/npx yardmaster submit/);
    dev.kill("SIGKILL");
    // Its output is at its end only when the process that it started has ended too.
    expect((await dev.ended).stderr).toContain("finishing what runs");
  });

  it("passes a second signal on", async () => {
    const dev = yard.spawn("dev", HANDLERS);
    await dev.line(/npx yardmaster submit/);
    await runningHold("never");
    dev.kill("SIGINT");
    await dev.line(/finishing what runs/);
    dev.kill("SIGINT");
    expect(await dev.ended).toMatchObject({ code: 130 });
  });
});

describe("machine-readable services", () => {
  it("say on stdout, one object a line, who they are and what they own", async () => {
    const started: CliProcess = await yard.start("start", HANDLERS, "--json", "--slots", "3");
    started.kill("SIGTERM");
    const { stdout } = await started.ended;
    const lines: unknown[] = stdout.split("\n").map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { event: "alarm", code: "SHARD_TAKEN", shard: 0 },
      { event: "ready", dispatcher: expect.any(String) },
      { event: "ready", worker: expect.any(String), slots: 3, tasks: ["echo", "boom", "hold", "die"] },
    ]);
  });
});

/** A task that runs until the file of this name exists. */
async function runningHold(name: string): Promise<TaskHandle<RanBy>> {
  const task = await client.submit(hold, { until: join(yard.folder, name) });
  const news = task.events();
  for await (const { type } of news) if (type === "started") break;
  return task;
}

function release(name: string): void {
  writeFileSync(join(yard.folder, name), "");
}

function answering(word: string): string {
  const definition = JSON.stringify(join(SOURCES, "definition.ts"));
  const handlers = JSON.stringify(join(SOURCES, "worker/handlers.ts"));
  return `import { defineTask } from ${definition};
    import { createHandlers } from ${handlers};
    export default createHandlers().on(defineTask({ name: "say" }), () => "${word}");`;
}

async function said(): Promise<unknown> {
  return (await client.submit(defineTask({ name: "say" }), {})).result();
}
