/**
 * What lists cost where much is kept: `node bench/lists.ts [sqlite|redis] [finished] [live]`, after a build.
 *
 * A yard gets a million finished tasks, written straight through the store, and 100,000 live ones, which nobody runs.
 * Then each list that the dashboard and the HTTP API make is asked for again and again. Dispatcher and HTTP server share a
 * process of their own, whose event loop tells how long a tick may have had to wait for a list.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { connect, defineTask, startDispatcher } from "yardmaster";
import { createToken, hashToken, startHttp } from "yardmaster/http";
import { SPEC } from "../packages/yardmaster/src/testing/sample-tasks.ts";
import { writeFinished } from "../packages/yardmaster/test/finished-rows.ts";
import { ENGINE_NAMES, type EngineName, startEngines } from "../servers/engines.ts";
import { quantile } from "./statistics.ts";

const ROUNDS = 200;
const NAMES = 20;
const QUEUES = 5;
/** One task in so many has failed, all of them in the older half. */
const FAILURE_EACH = 50_000;
const PATIENCE_MS = 120_000;
const TOKEN = "YARDMASTER_BENCH_TOKEN";

interface Delay {
  readonly p99Ms: number;
  readonly mostMs: number;
}

/** The paths that the dashboard's pages and the API's users ask for. */
const PATHS: readonly (readonly [what: string, path: string])[] = [
  ["unfinished", "/api/v1/tasks?unfinished=true&limit=50"],
  ["ready", "/api/v1/tasks?unfinished=true&state=ready&limit=50"],
  ["running", "/api/v1/tasks?unfinished=true&state=running&limit=50"],
  ["scheduled, of a queue", "/api/v1/tasks?unfinished=true&state=scheduled&queue=queue-3&limit=50"],
  ["unfinished, of no task's name", "/api/v1/tasks?unfinished=true&name=nobody.knows&limit=50"],
  ["all", "/api/v1/tasks?limit=100"],
  ["ended", "/api/v1/history?limit=50"],
  ["succeeded", "/api/v1/history?state=succeeded&limit=50"],
  ["failed (few, old)", "/api/v1/history?state=failed&limit=50"],
  ["expired (none)", "/api/v1/history?state=expired&limit=50"],
  ["of a name", "/api/v1/history?name=task.7&limit=50"],
  ["of a name that is rare", "/api/v1/history?name=task.rare&limit=50"],
  ["of no task's name", "/api/v1/history?name=nobody.knows&limit=50"],
  ["failed, of a queue", "/api/v1/history?state=failed&queue=queue-1&limit=50"],
  ["1,000 of a queue", "/api/v1/history?queue=queue-2&limit=1000"],
  ["queues", "/api/v1/queues"],
  ["workers", "/api/v1/workers"],
  ["graphs", "/api/v1/graphs"],
];

/** Dispatcher and HTTP server, in a process of their own. */
async function serve(url: string, token: string): Promise<void> {
  const dispatcher = await startDispatcher({ url });
  const yard = await connect(url);
  const limits = { requestsPerS: 1_000_000 };
  const server = await startHttp(yard, {
    port: 0,
    tokens: [{ role: "operator", sha256: hashToken(token) }],
    limits,
  });
  let delay: IntervalHistogram | null = null;
  process.on("message", async (message) => {
    if (message === "begin") {
      delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      process.send?.("begun");
    } else if (message === "end") {
      const [p99Ms, mostMs] = delay === null ? [0, 0] : [delay.percentile(99) / 1e6, delay.max / 1e6];
      delay?.disable();
      process.send?.({ p99Ms, mostMs } satisfies Delay);
    } else {
      await server.close();
      await yard.close();
      await dispatcher.close();
      process.disconnect();
    }
  });
  process.send?.(server.url);
}

async function said(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, "message");
  return message;
}

async function fill(url: string, finished: number): Promise<void> {
  const specs = Array.from({ length: NAMES }, (_, index) => ({
    ...SPEC,
    name: `task.${index}`,
    queue: `queue-${index % QUEUES}`,
  }));
  const rare = { ...SPEC, name: "task.rare", queue: "queue-0" };
  await writeFinished(url, finished, (index) => {
    const spec = index === 100 ? rare : (specs[index % NAMES] ?? rare);
    const isOld = index < finished / 2;
    return index % FAILURE_EACH === 1 && isOld
      ? { spec, state: "failed", code: "HANDLER_FAILED" }
      : { spec, state: "succeeded" };
  });
}

/** Live tasks: every third waits for its time. */
async function submit(url: string, live: number): Promise<void> {
  const yard = await connect(url);
  const tasks = Array.from({ length: NAMES }, (_, index) =>
    defineTask<number, number>({ name: `task.${index}`, queue: `queue-${index % QUEUES}` }),
  );
  const wishes = Array.from({ length: live }, (_, index) => index);
  const AT_ONCE = 1_000;
  for (let from = 0; from < live; from += AT_ONCE) {
    await Promise.all(
      wishes.slice(from, from + AT_ONCE).map((index) => {
        const task = tasks[index % NAMES];
        if (task === undefined) return undefined;
        return yard.submit(task, index, index % 3 === 0 ? { delayMs: 86_400_000 } : {});
      }),
    );
  }
  await yard.close({ timeoutMs: 60_000 });
}

async function measure(engine: EngineName, finished: number, live: number): Promise<void> {
  const engines = await startEngines(engine);
  const url = String(engines.address());
  const tell = (text: string): boolean => process.stdout.write(`${text}\n`);
  const token = createToken();
  const filledAt = performance.now();
  await fill(url, finished);
  tell(
    `${engine}: ${finished} finished tasks written in ${((performance.now() - filledAt) / 1_000).toFixed(0)} s`,
  );
  const child = fork(import.meta.filename, ["serve", url], { env: { ...process.env, [TOKEN]: token } });
  try {
    const server = String(await said(child));
    await submit(url, live);
    const headers = { authorization: `Bearer ${token}` };
    const ask = async (path: string): Promise<{ tasks?: unknown[]; cursor?: string | null }> => {
      const answer = await fetch(server + path, { headers });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as { tasks?: unknown[]; cursor?: string | null };
    };
    await warmUp(ask, tell);
    tell(
      "| list | rows | p50 ms | p99 ms | loop p99 ms | loop most ms |\n| --- | --- | --- | --- | --- | --- |",
    );
    for (const [what, path] of PATHS) {
      const rows = (await ask(path)).tasks?.length ?? "";
      child.send("begin");
      await said(child);
      const took: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const askedAt = performance.now();
        await ask(path);
        took.push(performance.now() - askedAt);
      }
      child.send("end");
      const { p99Ms, mostMs } = (await said(child)) as Delay;
      took.sort((a, b) => a - b);
      const times = [quantile(took, 0.5), quantile(took, 0.99), p99Ms, mostMs].map((ms) => ms.toFixed(1));
      tell(`| ${what} | ${rows} | ${times.join(" | ")} |`);
    }
  } finally {
    child.send("close");
    await once(child, "exit");
    await engines.stop();
  }
}

/** The first question of all has the dispatcher walk the store: how long it takes until it knows everything, and how ticks fare. */
async function warmUp(
  ask: (path: string) => Promise<{ cursor?: string | null }>,
  tell: (text: string) => unknown,
): Promise<void> {
  const from = performance.now();
  while ((await ask("/api/v1/history?state=expired&limit=50")).cursor !== null) {
    if (performance.now() - from > PATIENCE_MS) throw new Error("The dispatcher has not come to the end.");
    await pause(100);
  }
  tell(`all finished tasks known after ${((performance.now() - from) / 1_000).toFixed(1)} s\n`);
}

const [what = "", second = "", third = ""] = process.argv.slice(2);
if (what === "serve") await serve(second, process.env[TOKEN] ?? "");
else {
  const engines = ENGINE_NAMES.filter((name) =>
    what === "" ? ["sqlite", "redis"].includes(name) : name === what,
  );
  for (const engine of engines) await measure(engine, Number(second || 1_000_000), Number(third || 100_000));
}
