/**
 * What it costs that Prometheus reads `/metrics` each second: `node bench/scrape.ts [windows] [queues]`, after a build.
 *
 * Dispatcher and HTTP server are processes of their own, worker and client are this one, which keeps 500 tasks in flight
 * over all queues. Windows with and without scrapes take turns; what they take is read from the processes' CPU time,
 * which a noisy machine changes less than the number of tasks.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect, defineTask, startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";

const windows = Number(process.argv[2] ?? 6);
const queues = Number(process.argv[3] ?? 20);
const WINDOW_MS = 6_000;
const SCRAPE_MS = 1_000;
const IN_FLIGHT = 500;
/** Of the kernel's clock, which /proc counts in. */
const TICKS_PER_S = 100;

const folder = mkdtempSync(join(tmpdir(), "yardmaster-scrape-"));
const url = `sqlite:${join(folder, "yard.db")}`;
const token = "t".repeat(40);
const command = join(import.meta.dirname, "../packages/yardmaster/bin/yardmaster.js");
const tasks = Array.from({ length: queues }, (_, index) =>
  defineTask<number, number>({ name: `scrape.${index}`, queue: `queue-${index}`, keepResultMs: 60_000 }),
);

function start(...args: string[]): ChildProcess {
  const env = { ...process.env, YARDMASTER_TOKENS: `viewer:${token}` };
  return spawn(process.execPath, ["--no-warnings", command, ...args, "--url", url], {
    stdio: ["ignore", "ignore", "pipe"],
    env,
  });
}

async function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  if (child.stderr === null) return "";
  for await (const line of createInterface({ input: child.stderr })) {
    const found = pattern.exec(line)?.[0];
    if (found !== undefined) {
      child.stderr.resume();
      return found;
    }
  }
  throw new Error(`a process ended without ${pattern}`);
}

/** User and system time of a process so far. */
function cpuMs({ pid = 0 }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_S;
}

const dispatcher = start("dispatcher");
await said(dispatcher, /is ready/);
const server = start("serve", "--port", "0");
const address = await said(server, /http:\/\/127\.0\.0\.1:\d+/);
const { on } = createHandlers();
const worker = await startWorker({
  url,
  handlers: tasks.map((task) => on(task, ({ input }) => input)),
  slots: 100,
});
const yard = await connect(url);

let done = 0;
let isOver = false;
const loops = Array.from({ length: IN_FLIGHT }, async (_, index) => {
  const task = tasks[index % tasks.length];
  while (!isOver && task !== undefined) {
    await (await yard.submit(task, index)).result();
    done += 1;
  }
});

async function scrape(): Promise<number> {
  const answer = await fetch(`${address}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
  return (await answer.text()).length;
}

interface Window {
  readonly perS: number;
  readonly dispatcherUs: number;
  readonly serverMs: number;
  readonly scrapes: number;
}

async function measure(isScraping: boolean): Promise<Window> {
  const [from, tasksBefore, dispatcherBefore, serverBefore] = [
    performance.now(),
    done,
    cpuMs(dispatcher),
    cpuMs(server),
  ];
  let scrapes = 0;
  while (performance.now() - from < WINDOW_MS) {
    await new Promise((resolve) => setTimeout(resolve, SCRAPE_MS - 5));
    if (!isScraping) continue;
    await scrape();
    scrapes += 1;
  }
  const count = done - tasksBefore;
  return {
    perS: (count * 1_000) / (performance.now() - from),
    dispatcherUs: ((cpuMs(dispatcher) - dispatcherBefore) * 1_000) / count,
    serverMs: cpuMs(server) - serverBefore,
    scrapes,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

await measure(true);
const quiet: Window[] = [];
const scraped: Window[] = [];
for (let turn = 0; turn < windows; turn += 1) {
  quiet.push(await measure(false));
  scraped.push(await measure(true));
}
const perScrapeMs =
  (scraped.reduce((sum, { serverMs }) => sum + serverMs, 0) -
    quiet.reduce((sum, { serverMs }) => sum + serverMs, 0)) /
  scraped.reduce((sum, { scrapes }) => sum + scrapes, 0);
const report = {
  queues,
  bytes: await scrape(),
  tasksPerS: {
    quiet: median(quiet.map(({ perS }) => perS)),
    scraped: median(scraped.map(({ perS }) => perS)),
  },
  dispatcherUsPerTask: {
    quiet: median(quiet.map(({ dispatcherUs }) => dispatcherUs)),
    scraped: median(scraped.map(({ dispatcherUs }) => dispatcherUs)),
  },
  serverMsPerScrape: perScrapeMs,
  /** Of one core, at a scrape each second. */
  serverShare: perScrapeMs / SCRAPE_MS,
};
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);

isOver = true;
await Promise.all(loops);
await worker.close({ timeoutMs: 10_000 });
await yard.close({ timeoutMs: 10_000 });
for (const child of [server, dispatcher]) {
  child.kill("SIGTERM");
  await once(child, "exit");
}
rmSync(folder, { recursive: true });
