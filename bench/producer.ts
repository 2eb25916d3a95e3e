import { connect, type TaskHandle } from "yardmaster";
import { place, serve } from "./role.ts";
import { quantile } from "./statistics.ts";
import { type NoopInput, noop, noopInput, spread, stuck } from "./tasks.ts";

const SAMPLE_EVERY = 100_000;

const yard = await connect(place());
/** Submitted by `submit` with `keep`, to be awaited by `settle`. */
let kept: TaskHandle<number>[] = [];

serve({ roundTrips, spreadTrips, idle, submit, settle, waiting, one, stick, unstuck }, () => yard.close());

function roundTrips(inFlight: number, seconds: number): Promise<{ tasks: number; seconds: number }> {
  return trips(noop, inFlight, seconds);
}

function spreadTrips(inFlight: number, seconds: number): Promise<{ tasks: number; seconds: number }> {
  return trips(spread, inFlight, seconds);
}

/** Keeps so many tasks in flight for a time; each result is awaited and checked. */
async function trips(
  definition: typeof noop,
  inFlight: number,
  seconds: number,
): Promise<{ tasks: number; seconds: number }> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  let submitted = 0;
  let ended = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      submitted += 1;
      await roundTrip(definition, submitted);
      ended += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  if (ended !== submitted) throw new Error(`${submitted} tasks were submitted and ${ended} ended`);
  return { tasks: ended, seconds: (performance.now() - startedAt) / 1_000 };
}

/** One task at a time: how long each takes from the call to its result. */
async function idle(seconds: number): Promise<{ tasks: number; p50Ms: number; p99Ms: number }> {
  const until = performance.now() + seconds * 1_000;
  const tookMs: number[] = [];
  while (performance.now() < until) {
    const startedAt = performance.now();
    await roundTrip(noop, tookMs.length);
    tookMs.push(performance.now() - startedAt);
  }
  return { tasks: tookMs.length, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
}

async function roundTrip(definition: typeof noop, n: number): Promise<void> {
  const task = await yard.submit(definition, noopInput(n));
  check(await task.result(), n);
}

/** Does one task; answers when it had ended, by the clock of the machine. */
async function one(): Promise<number> {
  await roundTrip(noop, 1);
  return Date.now();
}

/** Submits one whose first attempt does not end. */
async function stick(): Promise<void> {
  kept = [await yard.submit(stuck, noopInput(0))];
}

/** Answers when it had ended. */
async function unstuck(): Promise<number> {
  await settle();
  return Date.now();
}

/** Submits so many tasks; answers with the memory that this process had on the way. */
async function submit(count: number, keep: number): Promise<{ seconds: number; rssBytes: number[] }> {
  const startedAt = performance.now();
  const rssBytes: number[] = [];
  let submitted = 0;
  for await (const task of yard.submitMany(noop, inputs(count))) {
    if (keep > 0) kept.push(task);
    submitted += 1;
    if (submitted % SAMPLE_EVERY === 0) rssBytes.push(process.memoryUsage.rss());
  }
  if (submitted !== count) throw new Error(`${submitted} tasks instead of ${count} were submitted`);
  return { seconds: (performance.now() - startedAt) / 1_000, rssBytes };
}

async function settle(): Promise<number> {
  const values = await Promise.all(kept.map((task) => task.result()));
  for (const [n, value] of values.entries()) check(value, n);
  kept = [];
  return values.length;
}

/** How many tasks a dispatcher has accepted and not started. */
async function waiting(): Promise<number> {
  const queues = await yard.queues();
  return queues.reduce((sum, { ready, parked }) => sum + ready + parked, 0);
}

function* inputs(count: number): Generator<NoopInput> {
  for (let n = 0; n < count; n += 1) yield noopInput(n);
}

function check(value: number, n: number): void {
  if (value !== n) throw new Error(`task ${n} answered ${value}`);
}
