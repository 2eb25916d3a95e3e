import { connect, type SubmitOptions, type TaskHandle } from "yardmaster";
import { closedLoop, type Latency, oneByOne, paced, type RoundTrip, type Trips } from "./load.ts";
import { mixedTask } from "./mix.ts";
import { type NoopInput, noopInput } from "./payload.ts";
import { place, serve } from "./role.ts";
import { quantile } from "./statistics.ts";
import { brief, fewKeys, manyKeys, noop, queued, spread, stuck, urgent } from "./tasks.ts";

const SAMPLE_EVERY = 100_000;
const PROBE_PRIORITY = 200;

const yard = await connect(place());
/** Submitted by `submit` with `keep`, to be awaited by `settle`. */
let kept: TaskHandle<number>[] = [];
let mixedRuns = 0;

const definitions = { noop, spread, urgent, manyKeys, fewKeys, brief };

serve(
  {
    roundTrips: (inFlight: number, seconds: number) => trips("noop", inFlight, seconds),
    spreadTrips: (inFlight: number, seconds: number) => trips("spread", inFlight, seconds),
    trips,
    queueTrips,
    idle: (seconds: number) => oneByOne(seconds, (n) => roundTrip(noop, n)),
    paced: (perSecond: number, seconds: number) => paced(perSecond, seconds, (n) => roundTrip(noop, n)),
    mixed,
    submit,
    submitOf: (name: keyof typeof definitions, count: number) => submitAll(definitions[name], count, 0),
    overtake,
    settle,
    waiting,
    succeeded,
    one,
    stick,
    unstuck,
  },
  () => yard.close(),
);

/** Keeps so many tasks of a definition in flight for a time; a lost one is an error. */
async function trips(name: keyof typeof definitions, inFlight: number, seconds: number): Promise<Trips> {
  return whole(await closedLoop(inFlight, seconds, (n) => roundTrip(definitions[name], n)));
}

/** The same over so many of 1,000 queues in turns. */
async function queueTrips(queues: number, inFlight: number, seconds: number): Promise<Trips> {
  const turn: RoundTrip = (n) => {
    const definition = queued[n % queues];
    if (definition === undefined) throw new Error(`there are no ${queues} queues`);
    return roundTrip(definition, n);
  };
  return whole(await closedLoop(inFlight, seconds, turn));
}

/** Tasks with priorities, delays, keys and failures. */
async function mixed(inFlight: number, seconds: number): Promise<Trips> {
  mixedRuns += 1;
  const run = mixedRuns;
  const trip: RoundTrip = async (n) => {
    const { input, priority, delayMs, key } = mixedTask(n, run);
    const options: SubmitOptions = {
      ...(priority > 0 ? { priority } : {}),
      ...(delayMs > 0 ? { delayMs } : {}),
      ...(key === null ? {} : { idempotencyKey: key }),
    };
    const task = await yard.submit(urgent, input, options);
    check(await task.result(), n);
  };
  return whole(await closedLoop(inFlight, seconds, trip));
}

function whole<T extends Trips>(done: T): T {
  if (done.lost > 0) throw new Error(`${done.lost} tasks were submitted and never ended`);
  return done;
}

/** Urgent tasks one by one, past a backlog: how long each takes to its result. */
async function overtake(count: number): Promise<Latency> {
  const startedAt = performance.now();
  const tookMs: number[] = [];
  while (tookMs.length < count) {
    const from = performance.now();
    const task = await yard.submit(urgent, noopInput(tookMs.length), { priority: PROBE_PRIORITY });
    check(await task.result(), tookMs.length);
    tookMs.push(performance.now() - from);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return { tasks: count, seconds, lost: 0, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
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
async function submit(count: number, keep = 0): Promise<{ seconds: number; rssBytes: number[] }> {
  return submitAll(noop, count, keep);
}

async function submitAll(
  definition: typeof noop,
  count: number,
  keep: number,
): Promise<{ seconds: number; rssBytes: number[] }> {
  const startedAt = performance.now();
  const rssBytes: number[] = [];
  let submitted = 0;
  for await (const task of yard.submitMany(definition, inputs(count))) {
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

/** How many tasks have succeeded since the dispatcher started. */
async function succeeded(): Promise<number> {
  const { queues } = await yard.stats();
  return queues.reduce((sum, { succeeded: count }) => sum + count, 0);
}

function* inputs(count: number): Generator<NoopInput> {
  for (let n = 0; n < count; n += 1) yield noopInput(n);
}

function check(value: number, n: number): void {
  if (value !== n) throw new Error(`task ${n} answered ${value}`);
}
