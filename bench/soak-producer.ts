import { setTimeout as pause } from "node:timers/promises";
import { connect, type Outcome } from "yardmaster";
import { place, serve } from "./role.ts";
import { echo, failing, flaky, keyed } from "./soak-tasks.ts";

/** What became of all tasks so far. */
export interface Tally {
  readonly acknowledged: number;
  readonly ended: number;
  readonly wrong: number;
  /** Submissions that were not acknowledged; nothing else is at fault, so there should be none. */
  readonly refused: number;
}

const yard = await connect(place());
const tally = { acknowledged: 0, ended: 0, wrong: 0, refused: 0 };
const STEP_MS = 50;
const SETTLE_MS = 60_000;
let submitted = 0;

serve({ load, settled }, () => yard.close());

/** Submits this many tasks a second for so long, in steps. */
async function load(perSecond: number, seconds: number): Promise<Tally> {
  const startedAt = performance.now();
  const target = submitted + perSecond * seconds;
  const first = submitted;
  while (submitted < target) {
    const due = Math.min(target, first + ((performance.now() - startedAt) / 1_000) * perSecond);
    while (submitted < due) {
      submitted += 1;
      void play(submitted);
    }
    await pause(STEP_MS);
  }
  return tally;
}

/** Waits until every task has ended, for a minute at most: what has not ended by then is lost. */
async function settled(): Promise<Tally> {
  const until = performance.now() + SETTLE_MS;
  while (tally.ended + tally.refused < submitted && performance.now() < until) await pause(STEP_MS);
  return tally;
}

async function play(n: number): Promise<void> {
  try {
    const isRight = await lives[n % lives.length]?.(n);
    tally.ended += 1;
    if (isRight !== true) tally.wrong += 1;
  } catch {
    tally.refused += 1;
  }
}

type Life = (n: number) => Promise<boolean>;

/** One life of each kind; they take turns. */
const lives: readonly Life[] = [
  async (n) => answers(await acknowledged(yard.submit(echo, n)), n),
  async (n) => answers(await acknowledged(yard.submit(keyed, n)), n),
  async (n) => answers(await acknowledged(yard.submit(flaky, n)), n),
  async (n) => answers(await acknowledged(yard.submit(echo, n, { delayMs: 500 })), n),
  async (n) => {
    const outcome = await (await acknowledged(yard.submit(failing, n))).settled();
    return !outcome.ok && outcome.error.code === "TASK_FAILED";
  },
  async (n) => {
    const task = await acknowledged(yard.submit(echo, n, { delayMs: 600_000 }));
    await task.cancel();
    const outcome = await task.settled();
    return !outcome.ok && outcome.error.code === "TASK_CANCELLED";
  },
  async (n) => {
    const key = { idempotencyKey: `soak-${n}`, idempotencyWindowMs: 2_000 };
    const [one, two] = await Promise.all([
      acknowledged(yard.submit(echo, n, key)),
      yard.submit(echo, n, key),
    ]);
    return (await answers(one, n)) && (await answers(two, n));
  },
];

async function acknowledged<T>(submitting: Promise<T>): Promise<T> {
  const task = await submitting;
  tally.acknowledged += 1;
  return task;
}

async function answers(task: { settled(): Promise<Outcome<number>> }, n: number): Promise<boolean> {
  const outcome = await task.settled();
  return outcome.ok && outcome.value === n;
}
