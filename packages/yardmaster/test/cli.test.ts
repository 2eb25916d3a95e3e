import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { CliYard, HANDLERS } from "./cli-process.ts";

const TASK_FIELDS = [
  "id",
  "name",
  "queue",
  "state",
  "code",
  "attempt",
  "attempts",
  "priority",
  "submittedAt",
  "startedAt",
  "finishedAt",
  "worker",
  "error",
];
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UNKNOWN = "01990000-0000-7000-8000-000000000000";

let yard: CliYard;

beforeAll(async () => {
  yard = new CliYard();
  await yard.start("start", HANDLERS, "--slots", "4", "--label", "zone=eu", "--label", "disk=a=b");
});

afterAll(() => yard.close());

describe("schedule", () => {
  it("adds, lists, pauses, resumes, runs and removes", async () => {
    const when = ["--cron", "0 3 * * *", "--time-zone", "Europe/Berlin", "--overlap", "skip"];
    const [added] = await yard.json("schedule", "add", "nightly", "echo", "7", ...when);
    expect(added).toMatchObject({
      name: "nightly",
      task: "echo",
      cron: "0 3 * * *",
      overlap: "skip",
      fired: 0,
    });
    expect(added?.["nextAt"]).toMatch(ISO_TIME);
    const { stdout } = await yard.run("schedule", "list");
    expect(stdout).toMatch(/^nightly +echo +0 3 \* \* \* Europe\/Berlin +on/m);
    expect(await yard.json("schedule", "pause", "nightly")).toMatchObject([{ paused: true }]);
    expect(await yard.json("schedule", "resume", "nightly")).toMatchObject([{ paused: false }]);
    const { stdout: id } = await yard.run("schedule", "run", "nightly");
    expect(await yard.run("result", id)).toMatchObject({ code: 0, stdout: "7" });
    expect(await yard.run("schedule", "remove", "nightly")).toMatchObject({
      code: 0,
      stdout: "removed nightly",
    });
    expect(await yard.json("schedule", "list")).toEqual([]);
  });

  it("refuses a cron line that never fires, and input that is not JSON", async () => {
    const never = await yard.run("schedule", "add", "never", "echo", "7", "--cron", "0 0 30 2 *");
    expect(never).toMatchObject({ code: 2, stderr: expect.stringContaining("cron must be") });
    const broken = await yard.run("schedule", "add", "never", "echo", "{", "--every-ms", "1000");
    expect(broken).toMatchObject({ code: 2, stderr: expect.stringContaining("not JSON") });
  });
});

describe("submit", () => {
  it("prints the id alone on stdout", async () => {
    const { code, stdout, stderr } = await yard.run("submit", "echo", "1");
    expect(stdout).toMatch(/^[0-9a-f-]{36}$/);
    expect(stderr).toContain(`yardmaster status ${stdout}`);
    expect(code).toBe(0);
  });

  it("answers with the task as JSON", async () => {
    const [task] = await yard.json(
      "submit",
      "echo",
      "1",
      "--queue",
      "q",
      "--attempts",
      "7",
      "--priority",
      "9",
    );
    expect(Object.keys(task ?? {})).toEqual(TASK_FIELDS);
    expect(task).toMatchObject({ name: "echo", queue: "q", state: "submitted", attempts: 7, priority: 9 });
    expect(task?.["submittedAt"]).toMatch(ISO_TIME);
  });

  it("waits for the result", async () => {
    const { code, stdout } = await yard.run("submit", "echo", '{"a":[1,"ü"]}', "--wait");
    expect({ code, value: JSON.parse(stdout) }).toEqual({ code: 0, value: { a: [1, "ü"] } });
  });

  it("adds the result to the task with --wait --json", async () => {
    const [task] = await yard.json("submit", "echo", '"text"', "--wait");
    expect(Object.keys(task ?? {})).toEqual([...TASK_FIELDS, "result"]);
    expect(task).toMatchObject({ state: "succeeded", attempt: 1, result: "text", error: null });
  });

  it("reads the input from stdin", async () => {
    const { stdout } = await yard.runWithInput(
      '{"from":"stdin"}\n',
      "submit",
      "echo",
      "-",
      "--wait",
      "--json",
    );
    expect(JSON.parse(stdout)).toMatchObject({ result: { from: "stdin" } });
  });

  it("waits for more of stdin than a pipe holds", async () => {
    const text = "x".repeat(900_000);
    const { code, stdout } = await yard.runWithInput(
      JSON.stringify(text),
      "submit",
      "echo",
      "-",
      "--wait",
      "--json",
    );
    expect({ code, same: JSON.parse(stdout).result === text }).toEqual({ code: 0, same: true });
  });

  it("refuses a promise that there is not", async () => {
    const { code, stderr } = await yard.run("submit", "echo", "1", "--delivery", "perhaps");
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("at-most-once") });
  });

  it("takes the same idempotency key for the same task", async () => {
    const [first] = await yard.json("submit", "echo", "5", "--key", "k", "--wait");
    const [second] = await yard.json("submit", "echo", "5", "--key", "k", "--wait");
    expect(second).toEqual(first);
    const other = await yard.run("submit", "echo", "6", "--key", "k", "--wait");
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(other.stderr).toContain("IDEMPOTENCY_CONFLICT");
  });

  it("ends with 1 and the reason on stderr when the task fails", async () => {
    const { code, stdout, stderr } = await boom("no luck", "--wait");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("no luck");
  });

  it("ends with 1 and the record on stdout with --json when the task fails", async () => {
    const { code, stdout } = await boom("no luck", "--wait", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      state: "failed",
      code: "HANDLER_FAILED",
      result: null,
      error: { code: "HANDLER_FAILED", message: "no luck" },
    });
  });

  it("ends with 5 when the wait was too short", async () => {
    const { code, stderr } = await yard.run("submit", "echo", "1", "--delay-ms", "600000", "--wait-ms", "50");
    expect(stderr).toContain("WAIT_TIMED_OUT");
    expect(code).toBe(5);
  });

  it.each([
    ["text that is not JSON", ["submit", "echo", "{oops"]],
    ["a priority beyond its range", ["submit", "echo", "1", "--priority", "256"]],
    ["a number that is none", ["submit", "echo", "1", "--attempts", "many"]],
    ["a name with control characters", ["submit", "e\u0007cho", "1"]],
    ["an empty name", ["submit", "", "1"]],
  ])("ends with 2 for %s", async (_, args) => {
    expect(await yard.run(...args)).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("one task", () => {
  it("shows what a failed task was given and what it threw", async () => {
    const { stdout: id } = await boom("bad \u001b[2Jluck");
    await yard.run("result", id);
    const { code, stdout } = await yard.run("status", id);
    expect(code).toBe(0);
    expect(stdout).toContain("failed (HANDLER_FAILED)");
    expect(stdout).toContain("error      HANDLER_FAILED: bad \\x1b[2Jluck");
    expect(stdout).toContain('input      {"message":"bad');
    expect(stdout).toMatch(/\n\nError: bad .*\n\s+at .*cli-handlers\.ts/s);
  });

  it("keeps control characters out of JSON as well", async () => {
    const { stdout: id } = await boom("\u009b31m\u202e");
    await yard.run("result", id);
    const { stdout } = await yard.run("status", id, "--json");
    expect(stdout).not.toMatch(/[\u0080-\u009f\u202e]/);
    expect(JSON.parse(stdout)).toMatchObject({ error: { message: "\u009b31m\u202e" } });
  });

  it("explains why a task waits", async () => {
    const { stdout: id } = await yard.run("submit", "unheard.of", "1");
    expect(await yard.run("explain", id)).toMatchObject({
      code: 0,
      stdout: "No connected worker knows unheard.of.",
    });
    expect(await yard.json("explain", id)).toEqual([
      {
        id,
        state: "ready",
        reason: "unknown-name",
        sentence: "No connected worker knows unheard.of.",
        data: { name: "unheard.of", version: 1 },
      },
    ]);
  });

  it("tells a task's story", async () => {
    const { stdout: id } = await boom("bad \u001b[2Jluck");
    await yard.run("result", id);
    const { code, stdout } = await yard.run("story", id);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^AT +STATE +ATTEMPT +WORKER +WHY\n/);
    expect(stdout).toMatch(/failed +1 +\S+ +HANDLER_FAILED: bad \\x1b\[2Jluck$/);
    const chapters = await yard.json("story", id);
    expect(chapters.map((chapter) => chapter["state"])).toEqual(["submitted", "ready", "running", "failed"]);
    for (const { at } of chapters) expect(at).toMatch(ISO_TIME);
  });

  it("redrives a failed task as a new one", async () => {
    const { stdout: id } = await boom("again");
    await yard.run("result", id);
    const { code, stdout: again } = await yard.run("retry", id);
    expect(code).toBe(0);
    expect(again).toMatch(/^[0-9a-f-]{36}$/);
    expect(again).not.toBe(id);
    const { stderr } = await yard.run("result", again);
    expect(stderr).toContain("again");
    expect((await yard.json("status", id))[0]).toMatchObject({ id, state: "failed" });
  });

  it("refuses to redrive a task that goes on", async () => {
    const { stdout: id } = await yard.run("submit", "echo", "1", "--delay-ms", "600000");
    await yard.json("status", id);
    expect(await yard.run("retry", id)).toMatchObject({ code: 2, stdout: "" });
  });

  it("cancels a task that waits", async () => {
    const { stdout: id } = await yard.run("submit", "echo", "1", "--delay-ms", "600000");
    expect(await yard.json("cancel", id, "--reason", "not needed")).toEqual([{ id, state: "cancelled" }]);
    expect((await yard.json("status", id))[0]).toMatchObject({ state: "cancelled" });
    expect(await yard.run("result", id)).toMatchObject({ code: 1, stdout: "" });
  });

  it("says that a task had ended before it was cancelled", async () => {
    const [task] = await yard.json("submit", "echo", "1", "--wait");
    expect(await yard.json("cancel", String(task?.["id"]))).toEqual([
      { id: task?.["id"], state: "succeeded" },
    ]);
  });

  it("shortens a large value for people and not for programs", async () => {
    const text = "x".repeat(10_000);
    const forPeople = await yard.run("submit", "echo", JSON.stringify(text), "--wait");
    const [forPrograms] = await yard.json("submit", "echo", JSON.stringify(text), "--wait");
    expect(forPeople.stdout.length).toBeLessThan(3_000);
    expect(forPrograms?.["result"]).toBe(text);
  });

  it.each(["status", "explain", "story", "result", "cancel", "retry"])(
    "%s ends with 3 for an unknown id",
    async (command) => {
      for (const id of [UNKNOWN, "nonsense"]) {
        const { code, stdout, stderr } = await yard.run(command, id);
        expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
        expect(stderr).toContain("TASK_NOT_FOUND");
      }
    },
  );
});

describe("list", () => {
  it("prints one object a line and filters by state, name, queue and number", async () => {
    const submit = (queue: string): Promise<unknown> =>
      yard.json("submit", "listed", "1", "--queue", queue, "--delay-ms", "600000");
    await Promise.all([submit("l1"), submit("l1"), submit("l2")]);
    const all = await yard.json("list", "--name", "listed");
    expect(all.map(({ queue }) => queue).sort()).toEqual(["l1", "l1", "l2"]);
    for (const task of all) expect(Object.keys(task)).toEqual(TASK_FIELDS);
    expect(await yard.json("list", "--name", "listed", "--queue", "l2")).toHaveLength(1);
    expect(await yard.json("list", "--name", "listed", "--limit", "2")).toHaveLength(2);
    expect(await yard.json("list", "--name", "listed", "--state", "scheduled")).toHaveLength(3);
    expect(await yard.json("list", "--name", "listed", "--state", "failed")).toEqual([]);
  });

  it("is a table for people", async () => {
    await yard.run("submit", "echo", "1", "--wait");
    const { code, stdout } = await yard.run("list", "--state", "succeeded");
    expect(stdout).toMatch(/^ID +NAME +QUEUE +STATE +ATTEMPT +SUBMITTED +WORKER\n/);
    expect(stdout).toMatch(/\n[0-9a-f-]{36} +echo +default +succeeded +1\/3 /);
    expect(code).toBe(0);
  });

  it("ends with 2 for a state that does not exist", async () => {
    const { code, stderr } = await yard.run("list", "--state", "done");
    expect(stderr).toContain("succeeded");
    expect(code).toBe(2);
  });
});

describe("queues", () => {
  it("shows settings and counts", async () => {
    await yard.json("submit", "echo", "1", "--queue", "counted", "--delay-ms", "600000");
    const queues = await yard.json("queues");
    expect(queues.find(({ name }) => name === "counted")).toMatchObject({
      paused: false,
      scheduled: 1,
      ready: 0,
    });
    expect((await yard.run("queues")).stdout).toMatch(/^QUEUE +ORDER +STATE/);
  });

  it("pauses and resumes", async () => {
    expect(await yard.json("pause", "halted")).toEqual([{ queue: "halted", paused: true }]);
    const { stdout: id } = await yard.run("submit", "echo", "1", "--queue", "halted");
    expect((await yard.json("status", id))[0]).toMatchObject({ state: "ready" });
    expect(await yard.run("resume", "halted")).toMatchObject({ code: 0, stdout: "resumed halted" });
    expect(await yard.run("result", id)).toMatchObject({ code: 0, stdout: "1" });
  });

  it("applies the queues that a file exports", async () => {
    const file = join(yard.folder, "queues.ts");
    const definition = join(import.meta.dirname, "../src/definition/queue.ts");
    writeFileSync(
      file,
      `import { defineQueue } from ${JSON.stringify(definition)};
       export const applied = defineQueue({ name: "applied", order: "priority" });`,
    );
    expect(await yard.json("queues", "apply", file)).toEqual([{ applied: ["applied"] }]);
    const queues = await yard.json("queues");
    expect(queues.find(({ name }) => name === "applied")).toMatchObject({ order: "priority" });
  });

  it("ends with 2 for a file without queues and for one that does not exist", async () => {
    expect(await yard.run("queues", "apply", HANDLERS)).toMatchObject({ code: 2, stdout: "" });
    expect(await yard.run("queues", "apply", "nowhere.ts")).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("workers", () => {
  it("shows slots, labels and tasks", async () => {
    const [worker] = await yard.json("workers");
    expect(worker).toMatchObject({
      credit: 4,
      used: 0,
      draining: false,
      labels: { zone: "eu", disk: "a=b" },
    });
    expect(worker?.["tasks"]).toContain("echo@1");
    expect((await yard.run("workers")).stdout).toContain("zone=eu");
  });

  it("drain refuses a worker that nobody knows", async () => {
    const { code, stderr } = await yard.run("drain", "nobody");
    expect(stderr).toContain("nobody");
    expect(code).toBe(2);
  });
});

describe("list --key", () => {
  it("finds the task that an idempotency key stands for", async () => {
    const { stdout: id } = await yard.run("submit", "echo", "7", "--key", "order 1");
    expect(await yard.run("result", id)).toMatchObject({ code: 0 });
    expect(await yard.json("list", "--name", "echo", "--key", "order 1")).toMatchObject([{ id }]);
    expect(await yard.json("list", "--name", "boom", "--key", "order 1")).toEqual([]);
    expect(await yard.run("list", "--key", "order 1")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("name must be that of a definition where key is given"),
    });
  });
});

describe("doctor", () => {
  it("says what the engine is, how durable, and who dispatches", async () => {
    const { code, stdout } = await yard.run("doctor");
    expect(stdout).toMatch(new RegExp(`^node +${process.versions.node}$`, "m"));
    expect(stdout).toMatch(/^clock +shard 0: \d+ ms/m);
    expect(stdout).toMatch(/^engine +SQLite at .*yard\.db: up$/m);
    expect(stdout).toContain("survives a power cut (synchronous=FULL)");
    expect(stdout).toMatch(/^shard 0 +dispatcher \w+, epoch \d+$/m);
    expect(code).toBe(0);
  });

  it("answers with one object", async () => {
    const answers = await yard.json("doctor");
    expect(answers).toMatchObject([{ isUp: true, engines: [{ isUp: true }], shards: [{ lease: "held" }] }]);
  });

  it("advises to start a dispatcher where there is none", async () => {
    const { code, stderr } = await yard.run("doctor", "--url", "sqlite:./other.db");
    expect(stderr).toContain("start one with yardmaster dispatcher");
    expect(code).toBe(0);
  });

  it("ends with 4 and the reason for an engine that cannot be opened", async () => {
    writeFileSync(join(yard.folder, "letter.db"), "This is not a database. ".repeat(100));
    const { code, stdout, stderr } = await yard.run("doctor", "--json", "--url", "sqlite:./letter.db");
    expect(code).toBe(4);
    expect(stderr.split("\n")).toEqual([expect.stringContaining("STORE_CORRUPT")]);
    expect(JSON.parse(stdout)).toMatchObject({ isUp: false, error: { code: "STORE_CORRUPT" } });
  });
});

describe("the command line itself", () => {
  it("says its version and lists its commands", async () => {
    expect(await yard.run("--version")).toMatchObject({ code: 0, stdout: manifest.version });
    const { code, stdout } = await yard.run("--help");
    expect(stdout).toContain("submit [options] <name> <json>");
    expect(code).toBe(0);
  });

  it.each([
    ["an unknown command", ["fly"]],
    ["no command", []],
    ["an unknown option", ["list", "--color"]],
    ["a missing argument", ["status"]],
    ["one argument too many", ["status", UNKNOWN, "more"]],
    ["half a pair of engines", ["list", "--broker", "sqlite:./a.db"]],
    ["a URL and a pair", ["list", "--url", "sqlite:./a.db", "--broker", "b", "--store", "c"]],
    ["a URL of no engine", ["list", "--url", "gopher://yard"]],
    ["text that is no URL", ["list", "--url", "nonsense"]],
    ["a file in a folder that does not exist", ["list", "--url", "sqlite:./no/such/folder/yard.db"]],
    ["a label without a value", ["worker", HANDLERS, "--label", "zone"]],
    ["no slots", ["worker", HANDLERS, "--slots", "0"]],
  ])("ends with 2 for %s, without a word on stdout", async (_, args) => {
    const { code, stdout, stderr } = await yard.run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toBe("");
  });

  it("ends with 4 for a file that is no yard", async () => {
    const file = join(yard.folder, "text.db");
    writeFileSync(file, "This is not a database. ".repeat(100));
    expect(await yard.run("list", "--url", `sqlite:${file}`)).toMatchObject({ code: 4, stdout: "" });
  });
});

async function boom(message: string, ...flags: string[]): ReturnType<CliYard["run"]> {
  return yard.run("submit", "boom", JSON.stringify({ message }), "--attempts", "1", ...flags);
}
