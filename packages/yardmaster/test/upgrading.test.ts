import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis } from "../../../servers/redis.ts";
import type { TaskPage } from "../src/client/filters.ts";
import type { TaskStatus } from "../src/client/task-status.ts";
import type { Yard } from "../src/yard.ts";
import { CliProcess, type Ended } from "./cli-process.ts";
import { serverTests } from "./server-tests.ts";
import { type Build, install, laterFiles, olderFiles, presentFiles } from "./upgrading/builds.ts";
import { square, squareLater } from "./upgrading/squares.ts";

/** So many tasks end between two replacements. */
const STEP = 30;
const LATER = 10;
/** An upgrade replaces six processes, each under load: a busy machine takes its time. */
const UPGRADE_MS = 300_000;

let builds: string;
let older: Build;
let present: Build;
let reading: Build;
let writing: Build;
let folder: string;
let processes: CliProcess[];
let yard: Yard | null;

beforeAll(async () => {
  builds = mkdtempSync(join(tmpdir(), "yardmaster-builds-"));
  older = install(olderFiles(), join(builds, "older"));
  present = install(await presentFiles(), join(builds, "present"));
  reading = install(await laterFiles(1), join(builds, "reading"));
  writing = install(await laterFiles(2), join(builds, "writing"));
});

afterAll(() => rmSync(builds, { recursive: true, force: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "yardmaster-upgrading-"));
  processes = [];
  yard = null;
});

afterEach(async () => {
  await yard?.close();
  for (const each of processes) each.kill("SIGKILL");
  await Promise.all(processes.map(({ ended }) => ended));
  rmSync(folder, { recursive: true, force: true });
});

async function start(main: string, ...args: string[]): Promise<CliProcess> {
  const started = new CliProcess(args, folder, null, main);
  processes.push(started);
  await started.line(/is ready|"event":"ready"/);
  return started;
}

const dispatcher = (build: Build, url: string): Promise<CliProcess> =>
  start(build.cli, "dispatcher", "--url", url, "--json");
const worker = (build: Build, url: string): Promise<CliProcess> =>
  start(build.cli, "worker", build.worker, "--url", url, "--json");

/** As a supervisor ends a process to replace it. */
async function end(process: CliProcess): Promise<Ended> {
  process.kill("SIGTERM");
  const ended = await process.ended;
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}

/** Ends those whose dispatchers must have had nothing to tell of but their shards. */
async function endQuietly(process: CliProcess): Promise<void> {
  const { stdout } = await end(process);
  const alarms = [...stdout.matchAll(/"event":"alarm","code":"(\w+)"/g)].map(([, code = ""]) => code);
  expect(alarms.filter((code) => !code.startsWith("SHARD_"))).toEqual([]);
}

/** Waits until a producer's load has gone on for a while. */
async function goesOn(producer: CliProcess): Promise<void> {
  for (let ended = 0; ended < STEP; ended += 1) await producer.nextLine(/^ended /);
}

/** What producers say that they were confirmed, and the results that they got. */
function told(producers: readonly Ended[]): {
  readonly ids: Map<string, number>;
  readonly results: number[];
} {
  const ids = new Map<string, number>();
  const results: number[] = [];
  for (const { stdout } of producers) {
    for (const [, input, id = ""] of stdout.matchAll(/^sent (\d+) (\S+)$/gm)) ids.set(id, Number(input));
    for (const [, input, value] of stdout.matchAll(/^ended (\d+) (\d+)$/gm))
      if (Number(value) === Number(input) ** 2) results.push(Number(input));
  }
  return { ids, results };
}

/** All tasks of a name in the store, by their ids. */
async function recordsOf(yard: Yard, name: string): Promise<Map<string, TaskStatus>> {
  const found = new Map<string, TaskStatus>();
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: TaskPage = await yard.find({ name, limit: 1_000, ...(cursor === "" ? {} : { cursor }) });
    for (const task of page.tasks) found.set(task.id, task);
    cursor = page.cursor;
  }
  return found;
}

/** Each task that a producer was confirmed has succeeded once, with its own result, and there is no other. */
async function expectAllDone(yard: Yard, producers: readonly Ended[]): Promise<void> {
  const { ids, results } = told(producers);
  expect(results.sort((a, b) => a - b)).toEqual([...ids.values()].sort((a, b) => a - b));
  const records = await recordsOf(yard, square.name);
  expect(new Set(records.keys())).toEqual(new Set(ids.keys()));
  for (const [id, input] of ids) {
    expect(records.get(id)).toMatchObject({ state: "succeeded", attempt: input % 7 === 0 ? 2 : 1 });
    expect(await yard.handle(square, id).result()).toBe(input ** 2);
  }
}

async function upgrade(url: string, from: Build, to: Build): Promise<void> {
  const owner = await dispatcher(from, url);
  const standby = await dispatcher(from, url);
  const workers = [await worker(from, url), await worker(from, url)];
  const producer = await start(from.producer, url, "0", `${LATER}`);
  await goesOn(producer);

  await endQuietly(standby);
  const dispatchers = [await dispatcher(to, url)];
  await goesOn(producer);
  await endQuietly(owner);
  await dispatchers[0]?.line(/SHARD_TAKEN/);
  dispatchers.push(await dispatcher(to, url));
  await goesOn(producer);

  for (const each of workers.splice(0)) {
    await end(each);
    workers.push(await worker(to, url));
    await goesOn(producer);
  }

  const newer = await start(to.producer, url, "1000000");
  await goesOn(producer);
  const producers = [await end(producer)];
  await goesOn(newer);
  producers.push(await end(newer));

  yard = await to.connect(url);
  await expectAllDone(yard, producers);
  expect((await yard.queues()).find(({ name }) => name === "later")).toMatchObject({
    paused: true,
    ready: LATER,
  });
  await yard.resume("later");
  for (const [, input, id = ""] of producers[0]?.stdout.matchAll(/^later (\d+) (\S+)$/gm) ?? [])
    expect(await yard.handle(squareLater, id).result()).toBe(Number(input) ** 2);
  for (const each of dispatchers) await endQuietly(each);
}

describe("an upgrade from an older build, process by process under load", () => {
  it(
    "loses and repeats nothing on SQLite",
    async () => {
      await upgrade(`sqlite:${join(folder, "yard.db")}`, older, present);
    },
    UPGRADE_MS,
  );
});

await serverTests("Redis", startRedis, (server) => {
  describe("an upgrade from an older build, process by process under load", () => {
    it(
      "loses and repeats nothing on Redis",
      async () => {
        await upgrade(server.yardUrl(), older, present);
      },
      UPGRADE_MS,
    );
  });
});

describe("a new version of the protocol", () => {
  it(
    "is spoken to the release that only reads it, while one after the other is upgraded",
    async () => {
      await upgrade(`sqlite:${join(folder, "yard.db")}`, reading, writing);
    },
    UPGRADE_MS,
  );

  it("waits in the lane of a dispatcher that cannot read it for one that can, and keeps nobody up", async () => {
    const url = `sqlite:${join(folder, "yard.db")}`;
    const owner = await dispatcher(present, url);
    await worker(present, url);
    const producer = await start(present.producer, url, "0");
    const ahead = await start(writing.producer, url, "1000000");
    await owner.line(/FRAME_SET_ASIDE.*version 2/);
    await goesOn(producer);
    await end(owner);
    const newer = await dispatcher(reading, url);
    await goesOn(ahead);
    const producers = [await end(producer), await end(ahead)];
    yard = await reading.connect(url);
    await expectAllDone(yard, producers);
    await endQuietly(newer);
  });

  it("in the store keeps a dispatcher that cannot read it from serving, until one comes that can", async () => {
    const url = `sqlite:${join(folder, "yard.db")}`;
    const first = await dispatcher(writing, url);
    const runner = await worker(writing, url);
    const ahead = await start(writing.producer, url, "0", `${LATER}`);
    await goesOn(ahead);
    await end(first);
    const old = await dispatcher(present, url);
    await old.line(/"UNSUPPORTED_VERSION".*has version 2, and this Yardmaster reads up to 1/);
    const newer = await dispatcher(reading, url);
    await newer.line(/SHARD_TAKEN/);
    await goesOn(ahead);
    const producers = [await end(ahead)];
    await end(old);
    yard = await reading.connect(url);
    await expectAllDone(yard, producers);
    await end(runner);
    await endQuietly(newer);
  });
});
