/**
 * What watching costs in throughput: `node bench/watched.ts [rounds] [seconds]`, after a build.
 *
 * Each round runs the same load twice on the same yard, on SQLite: once alone, and once while `/metrics` is read each
 * second and a dashboard follows all topics. Which of them goes first changes from round to round, so that what drifts
 * meets both. The median of the rounds' ratios is the answer; the target is a loss of less than 2 %.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { defineTask, startYard } from "yardmaster";
import { createToken, hashToken, startHttp } from "yardmaster/http";
import { HttpClient, type LiveTopic } from "yardmaster/http-client";
import { createHandlers } from "yardmaster/worker";

const rounds = Number(process.argv[2] ?? 20);
const spanMs = Number(process.argv[3] ?? 10) * 1_000;
const QUEUES = 20;
const AT_ONCE = 500;
const SCRAPE_MS = 1_000;
const TOPICS: readonly LiveTopic[] = [
  "activity",
  "queues",
  "stats",
  "workers",
  "graphs",
  "schedules",
  "shards",
];

const folder = mkdtempSync(join(tmpdir(), "yardmaster-watched-"));
const { on } = createHandlers();
const tasks = Array.from({ length: QUEUES }, (_, index) =>
  defineTask<number, number>({ name: `watched.${index}`, queue: `queue-${index}` }),
);
const handlers = tasks.map((task) => on(task, ({ input }) => input));
const yard = await startYard({ url: `sqlite:${join(folder, "yard.db")}`, handlers, slots: 100 });
const token = createToken();
const server = await startHttp(yard, { port: 0, tokens: [{ role: "viewer", sha256: hashToken(token) }] });
const client = new HttpClient({ url: server.url, token });

/** Tasks a second that were submitted and ended: so many are under way at any time. */
async function throughput(): Promise<number> {
  const startedAt = performance.now();
  let ended = 0;
  const line = async (number: number): Promise<void> => {
    for (let turn = number; performance.now() - startedAt < spanMs; turn += 1) {
      const task = tasks[turn % QUEUES];
      if (task === undefined) return;
      await (await yard.submit(task, turn)).result();
      ended += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => line(number)));
  return (ended * 1_000) / (performance.now() - startedAt);
}

/** As `throughput`, while somebody watches. Throws where nothing was seen. */
async function watchedThroughput(): Promise<number> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const seen = { scrapes: 0, news: 0 };
  const following = ended(async () => {
    for await (const _ of client.live(TOPICS, { signal })) seen.news += 1;
  });
  const scraping = ended(async () => {
    for (;;) {
      const answer = await fetch(`${server.url}/metrics`, {
        headers: { authorization: `Bearer ${token}` },
        signal,
      });
      if ((await answer.text()).includes("yardmaster_")) seen.scrapes += 1;
      await pause(SCRAPE_MS, undefined, { signal });
    }
  });
  const perSecond = await throughput();
  leaving.abort();
  await Promise.all([following, scraping]);
  if (seen.scrapes === 0 || seen.news === 0) throw new Error(`Nobody watched: ${JSON.stringify(seen)}`);
  return perSecond;
}

/** Watching ends by leaving, which is no failure. */
async function ended(watch: () => Promise<void>): Promise<void> {
  try {
    await watch();
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
  }
}

// What is compiled late is compiled, with and without.
await throughput();
await watchedThroughput();

const ratios: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const isAloneFirst = round % 2 === 0;
  const first = await (isAloneFirst ? throughput() : watchedThroughput());
  const second = await (isAloneFirst ? watchedThroughput() : throughput());
  const [alone, watched] = isAloneFirst ? [first, second] : [second, first];
  ratios.push(watched / alone);
  process.stdout.write(
    `alone ${alone.toFixed(0)}/s, watched ${watched.toFixed(0)}/s: ${(watched / alone).toFixed(3)}\n`,
  );
}
ratios.sort((a, b) => a - b);
const median = ratios[Math.floor(ratios.length / 2)] ?? 0;
process.stdout.write(
  `${rounds} rounds of ${spanMs / 1_000} s: watched, throughput is ${median.toFixed(3)} of what it is alone ` +
    `(${(ratios[0] ?? 0).toFixed(3)} to ${(ratios.at(-1) ?? 0).toFixed(3)}), a loss of ${((1 - median) * 100).toFixed(1)} %\n`,
);

await server.close();
await yard.close({ timeoutMs: 5_000 });
rmSync(folder, { recursive: true });
