import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { place, serve } from "../bench/role.ts";
import { YardmasterError } from "../packages/yardmaster/src/protocol/errors.ts";
import { Random } from "../packages/yardmaster/src/sim/random.ts";
import { connect } from "../packages/yardmaster/src/yard.ts";
import { Recorder } from "./recorder.ts";
import { Submitter, type Tally } from "./submitter.ts";
import { beat } from "./tasks.ts";
import { Transactions } from "./transactions.ts";

const STEP_MS = 20;
/** What is submitted while nothing ends must end some time. */
const MAX_UNDER_WAY = 600;

// The stage's arguments; the first is the address.
const [, , , folder = "", name = "", seed = "", rate = ""] = process.argv;
const recorder = new Recorder(join(folder, `${name}.jsonl`));
const yard = await connect(place());
const transactions = Transactions.of(place());
const submitter = new Submitter(yard, recorder, name, new Random(Number(seed), name), transactions);
let isLoading = true;
void load(Number(rate));

serve({ probe, settle, tally: () => submitter.tally(), schedule }, () => {
  isLoading = false;
  return Promise.all([yard.close(), transactions?.close()]);
});

async function load(perSecond: number): Promise<void> {
  let due = 0;
  for (let before = performance.now(); isLoading; ) {
    await pause(STEP_MS);
    const now = performance.now();
    // What a machine that stood still did not submit is not made up for.
    due = Math.min(due + ((now - before) / 1_000) * perSecond, perSecond);
    before = now;
    for (; due >= 1; due -= 1) if (submitter.underWay < MAX_UNDER_WAY) submitter.submitOne();
  }
}

/** Resolves when a task that is submitted now, again and again if need be, has its result. */
async function probe(): Promise<void> {
  while (!(await submitter.probe())) await pause(STEP_MS);
}

async function schedule(): Promise<void> {
  await yard.schedule("beat", beat, { label: "beat", runMs: 0, failures: 0 }, { everyMs: 1_000 });
}

/** Submits no more; resolves when everything has ended, of clients before this one too, or after so long. */
async function settle(withinMs: number): Promise<Tally> {
  isLoading = false;
  await yard.schedules.remove("beat").catch(() => false);
  const until = performance.now() + withinMs;
  while (!(submitter.underWay === 0 && (await isOver())) && performance.now() < until) await pause(STEP_MS);
  return submitter.tally();
}

/** Whether nothing is unfinished: nobody waits for what a client submitted that was ended meanwhile. */
async function isOver(): Promise<boolean> {
  try {
    return (await yard.list({ unfinished: true, limit: 1 })).length === 0;
  } catch (error) {
    if (error instanceof YardmasterError && error.retryable) return false;
    throw error;
  }
}
