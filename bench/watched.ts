/**
 * What watching costs in throughput: `node bench/watched.ts [rounds] [seconds]`, after a build.
 *
 * Each round runs the same load twice on the same yard, on SQLite: once alone, and once while another process reads
 * `/metrics` each second and follows all topics as a dashboard does. Which of them goes first changes from round to round,
 * so that what drifts meets both. The median of the rounds' ratios is the answer; the target is a loss of less than 2 %.
 * Beside it stands the same in CPU time a task of the yard's process, which other work on the machine disturbs less; and,
 * as no noise of the machine touches it, the share of that time which a CPU profile of one more watched load finds at
 * work for watchers.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Profiler, Session } from "node:inspector/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { defineTask, startYard, type TaskDefinition, type Yard } from "yardmaster";
import { createToken, hashToken, startHttp } from "yardmaster/http";
import { HttpClient, type LiveTopic } from "yardmaster/http-client";
import { createHandlers } from "yardmaster/worker";
import { spread } from "./statistics.ts";

const QUEUES = 20;
const AT_ONCE = 500;
const SCRAPE_MS = 1_000;
const TOKEN = "YARDMASTER_BENCH_TOKEN";
const TOPICS: readonly LiveTopic[] = [
  "activity",
  "queues",
  "stats",
  "workers",
  "graphs",
  "schedules",
  "shards",
];

/** The other process: watches from one "begin" to the next "end", and tells what it has seen. */
function watch(url: string, token: string): void {
  const client = new HttpClient({ url, token });
  let leaving = new AbortController();
  let seen = { scrapes: 0, news: 0 };
  let watching: Promise<unknown> = Promise.resolve();
  process.on("message", async (message) => {
    if (message === "begin") {
      leaving = new AbortController();
      seen = { scrapes: 0, news: 0 };
      const { signal } = leaving;
      const following = ended(async () => {
        for await (const _ of client.live(TOPICS, { signal })) seen.news += 1;
      });
      const scraping = ended(async () => {
        for (;;) {
          const answer = await fetch(`${url}/metrics`, {
            headers: { authorization: `Bearer ${token}` },
            signal,
          });
          if ((await answer.text()).includes("yardmaster_")) seen.scrapes += 1;
          await pause(SCRAPE_MS, undefined, { signal });
        }
      });
      watching = Promise.all([following, scraping]);
      process.send?.("begun");
    } else {
      leaving.abort();
      await watching;
      process.send?.(seen);
    }
  });
  process.send?.("ready");
}

/** Watching ends by leaving, which is no failure. */
async function ended(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
  }
}

/** Where a stack passes that works for watchers. Nothing else of this process has to do with HTTP or asks the dispatcher. */
const FOR_WATCHERS =
  /\/dist\/(http\W|http\/|client\/directory|kernel\/(inspection|activity|stats|flows|recent))|fastify|^node:(_http|http|net)/;

/** The share of the CPU time in a profile that was spent at or below a frame of `wanted`. */
function shareOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile, wanted: RegExp): number {
  const matching = new Set<number>();
  const idle = new Set<number>();
  // A node's children come after it.
  for (const { id, callFrame, children = [] } of nodes) {
    if (["(idle)", "(program)"].includes(callFrame.functionName)) idle.add(id);
    if (wanted.test(callFrame.url)) matching.add(id);
    if (matching.has(id)) for (const child of children) matching.add(child);
  }
  let [all, found] = [0, 0];
  for (const [index, id] of samples.entries()) {
    const us = idle.has(id) ? 0 : (timeDeltas[index] ?? 0);
    all += us;
    if (matching.has(id)) found += us;
  }
  return found / all;
}

async function said(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, "message");
  return message;
}

type Task = TaskDefinition<number, number>;

interface Load {
  /** Tasks a second that were submitted and ended. */
  readonly perSecond: number;
  /** CPU time of this process, which is the whole yard. */
  readonly cpuUs: number;
}

/** So many tasks are under way at any time. */
async function loaded(yard: Yard, tasks: readonly Task[], spanMs: number): Promise<Load> {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  let done = 0;
  const line = async (number: number): Promise<void> => {
    for (let turn = number; performance.now() - startedAt < spanMs; turn += 1) {
      const task = tasks[turn % QUEUES];
      if (task === undefined) return;
      await (await yard.submit(task, turn)).result();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => line(number)));
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (done * 1_000) / (performance.now() - startedAt), cpuUs: (user + system) / done };
}

/** What `run` finds while somebody watches. Throws where nothing was seen. */
async function watched(watcher: ChildProcess, run: () => Promise<Load>): Promise<Load> {
  watcher.send("begin");
  await said(watcher);
  const found = await run();
  watcher.send("end");
  const seen = (await said(watcher)) as { scrapes: number; news: number };
  if (seen.scrapes === 0 || seen.news === 0) throw new Error(`Nobody watched: ${JSON.stringify(seen)}`);
  return found;
}

/** Prints each round and the medians of all. */
async function compare(rounds: number, alone: () => Promise<Load>, seen: () => Promise<Load>): Promise<void> {
  const throughputs: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const isAloneFirst = round % 2 === 0;
    const first = await (isAloneFirst ? alone() : seen());
    const second = await (isAloneFirst ? seen() : alone());
    const [unseen, observed] = isAloneFirst ? [first, second] : [second, first];
    throughputs.push(observed.perSecond / unseen.perSecond);
    cpus.push(observed.cpuUs / unseen.cpuUs);
    process.stdout.write(
      `alone ${unseen.perSecond.toFixed(0)}/s, ${unseen.cpuUs.toFixed(1)} us of CPU each; ` +
        `watched ${observed.perSecond.toFixed(0)}/s, ${observed.cpuUs.toFixed(1)} us\n`,
    );
  }
  for (const [what, ratios] of [
    ["throughput", throughputs],
    ["CPU time a task", cpus],
  ] as const) {
    const { median, min, max } = spread(ratios);
    process.stdout.write(
      `${rounds} rounds: watched, ${what} is ${median.toFixed(3)} of what it is alone ` +
        `(${min.toFixed(3)} to ${max.toFixed(3)})\n`,
    );
  }
}

async function profiled(run: () => Promise<unknown>): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  await run();
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  return profile;
}

async function measure(rounds: number, spanMs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-watched-"));
  const { on } = createHandlers();
  const tasks = Array.from({ length: QUEUES }, (_, index) =>
    defineTask<number, number>({ name: `watched.${index}`, queue: `queue-${index}` }),
  );
  const handlers = tasks.map((task) => on(task, ({ input }) => input));
  const yard = await startYard({ url: `sqlite:${join(folder, "yard.db")}`, handlers, slots: 100 });
  const token = createToken();
  const server = await startHttp(yard, { port: 0, tokens: [{ role: "viewer", sha256: hashToken(token) }] });
  const watcher = fork(import.meta.filename, ["watch", server.url], {
    env: { ...process.env, [TOKEN]: token },
  });
  await said(watcher);
  const alone = (): Promise<Load> => loaded(yard, tasks, spanMs);
  const seen = (): Promise<Load> => watched(watcher, alone);

  // What is compiled late is compiled, with and without.
  await alone();
  await seen();
  await compare(rounds, alone, seen);
  const share = shareOf(await profiled(seen), FOR_WATCHERS) * 100;
  process.stdout.write(
    `In a profile of one more, ${share.toFixed(2)} % of the CPU time goes to those who watch\n`,
  );

  watcher.disconnect();
  await once(watcher, "exit");
  await server.close();
  await yard.close({ timeoutMs: 5_000 });
  rmSync(folder, { recursive: true });
}

const [first = "", second = ""] = process.argv.slice(2);
if (first === "watch") watch(second, process.env[TOKEN] ?? "");
else await measure(Number(first || 20), Number(second || 10) * 1_000);
