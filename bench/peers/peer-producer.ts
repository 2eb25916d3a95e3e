import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { closedLoop, type Latency, oneByOne, paced, type Trips } from "../load.ts";
import { mixedTask } from "../mix.ts";
import { type NoopInput, noopInput } from "../payload.ts";
import { serve } from "../role.ts";
import type { Peer } from "./peer.ts";

/** The process that submits to a peer; it measures as `producer.ts` does. */
const BATCH = 1_000;
const [, , folder = "", file = "", url = ""] = process.argv;
const module: { readonly peer: Peer } = await import(
  pathToFileURL(join(import.meta.dirname, folder, `${file}.ts`)).href
);
const producer = await module.peer.openProducer(url);
let mixedRuns = 0;

serve({ roundTrips, idle, paced: atPace, mixed, submit }, () => producer.close());

function roundTrips(inFlight: number, seconds: number): Promise<Trips> {
  return closedLoop(inFlight, seconds, roundTrip);
}

function idle(seconds: number): Promise<Latency> {
  return oneByOne(seconds, roundTrip);
}

function atPace(perSecond: number, seconds: number): Promise<Latency> {
  return paced(perSecond, seconds, roundTrip);
}

function mixed(inFlight: number, seconds: number): Promise<Trips> {
  mixedRuns += 1;
  const run = mixedRuns;
  return closedLoop(inFlight, seconds, async (n) => {
    if (producer.mixed === null) throw new Error(`${folder} gives no results`);
    check(await producer.mixed(mixedTask(n, run)), n);
  });
}

async function roundTrip(n: number): Promise<void> {
  if (producer.roundTrip === null) throw new Error(`${folder} gives no results`);
  check(await producer.roundTrip(noopInput(n)), n);
}

async function submit(count: number): Promise<{ seconds: number }> {
  const startedAt = performance.now();
  for (let start = 0; start < count; start += BATCH) {
    const inputs: NoopInput[] = [];
    for (let n = start; n < Math.min(count, start + BATCH); n += 1) inputs.push(noopInput(n));
    await producer.submit(inputs);
  }
  return { seconds: (performance.now() - startedAt) / 1_000 };
}

function check(value: number, n: number): void {
  if (value !== n) throw new Error(`task ${n} answered ${value}`);
}
