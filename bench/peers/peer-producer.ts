import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "../role.ts";
import { quantile } from "../statistics.ts";
import { type NoopInput, noopInput } from "../tasks.ts";
import type { Peer } from "./peer.ts";

/** The process that submits to a peer; it measures as `producer.ts` does. */
const BATCH = 1_000;
const [, , name = "", url = ""] = process.argv;
const module: { readonly peer: Peer } = await import(
  pathToFileURL(join(import.meta.dirname, name, "peer.ts")).href
);
const producer = await module.peer.openProducer(url);

serve({ roundTrips, idle, submit }, () => producer.close());

async function roundTrips(inFlight: number, seconds: number): Promise<{ tasks: number; seconds: number }> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  let [submitted, ended] = [0, 0];
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      submitted += 1;
      await roundTrip(submitted);
      ended += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { tasks: ended, seconds: (performance.now() - startedAt) / 1_000 };
}

async function idle(seconds: number): Promise<{ tasks: number; p50Ms: number; p99Ms: number }> {
  const until = performance.now() + seconds * 1_000;
  const tookMs: number[] = [];
  while (performance.now() < until) {
    const startedAt = performance.now();
    await roundTrip(tookMs.length);
    tookMs.push(performance.now() - startedAt);
  }
  return { tasks: tookMs.length, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
}

async function roundTrip(n: number): Promise<void> {
  if (producer.roundTrip === null) throw new Error(`${name} gives no results`);
  const value = await producer.roundTrip(noopInput(n));
  if (value !== n) throw new Error(`task ${n} answered ${value}`);
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
