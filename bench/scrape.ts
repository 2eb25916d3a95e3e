/**
 * What it costs that Prometheus reads `/metrics` each second: `node bench/scrape.ts [queues] [scrapes]`, after a build.
 * `bench/watched.ts` has the same in throughput.
 *
 * Dispatcher, HTTP server and the reader are this one process, on SQLite, so that its CPU time has all of a scrape: that is
 * what is taken from tasks, however busy the machine is. What the yard takes while nobody looks is measured first.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineQueue, defineTask, startYard } from "yardmaster";
import { createToken, hashToken, startHttp } from "yardmaster/http";
import { createHandlers } from "yardmaster/worker";

const queues = Number(process.argv[2] ?? 20);
const scrapes = Number(process.argv[3] ?? 60);
const IDLE_MS = 2_000;
const ROUNDS = 3;

const folder = mkdtempSync(join(tmpdir(), "yardmaster-scrape-"));
const { on } = createHandlers();
const tasks = Array.from({ length: queues }, (_, index) =>
  // Declared queues are shown while they are empty, too.
  defineTask<number, number>({ name: `scrape.${index}`, queue: defineQueue({ name: `queue-${index}` }) }),
);
const handlers = tasks.map((task) => on(task, ({ input }) => input));
const yard = await startYard({ url: `sqlite:${join(folder, "yard.db")}`, handlers, slots: 20 });
const token = createToken();
const server = await startHttp(yard, { port: 0, tokens: [{ role: "viewer", sha256: hashToken(token) }] });

/** Reads the page as Prometheus does; answers with its size. */
async function scrape(): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${server.url}/metrics`, { headers });
  if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
  return (await answer.text()).length;
}

/** CPU time of this process while `run` goes on. */
async function cpuMsOf(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

// Every queue has counts and histograms, and what is compiled late is compiled.
await Promise.all(tasks.map(async (task, index) => (await yard.submit(task, index)).result()));
for (let count = 0; count < scrapes; count += 1) await scrape();

const idleMs = await cpuMsOf(() => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
const rounds: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const startedAt = performance.now();
  const spentMs = await cpuMsOf(async () => {
    for (let count = 0; count < scrapes; count += 1) await scrape();
  });
  const idleShare = idleMs / IDLE_MS;
  rounds.push((spentMs - idleShare * (performance.now() - startedAt)) / scrapes);
}
rounds.sort((a, b) => a - b);
const medianMs = rounds[Math.floor(ROUNDS / 2)] ?? 0;
process.stdout.write(
  `${queues} queues, ${await scrape()} bytes: ${medianMs.toFixed(1)} ms of CPU a scrape ` +
    `(${rounds.map((ms) => ms.toFixed(1)).join(", ")}); one each second takes ${(medianMs / 10).toFixed(2)} % of a core\n`,
);

await server.close();
await yard.close({ timeoutMs: 5_000 });
rmSync(folder, { recursive: true });
