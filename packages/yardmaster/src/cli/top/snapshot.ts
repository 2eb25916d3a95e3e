import type { QueueStatus, WorkerStatus, YardStats } from "../../client/directory.ts";
import { type Host, systemHost } from "../../host.ts";
import type { Yard } from "../../yard.ts";

/** A yard at one moment, as `top` shows it. */
export interface Snapshot {
  /** By the wall clock, and by the monotonic one. */
  readonly at: number;
  readonly atMono: number;
  readonly stats: YardStats;
  readonly queues: readonly QueueStatus[];
  readonly workers: readonly WorkerStatus[];
  readonly stuck: readonly Stuck[];
}

/** A task that has been waiting for a worker for long, and why. */
export interface Stuck {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly waitedMs: number;
  readonly why: string;
}

/** What waits shorter than this is not worth a question. */
const STUCK_MS = 5_000;
const MAX_STUCK = 5;

/** Asks dispatchers for counts that they keep, and for the oldest waiting tasks; nothing is scanned. */
export async function takeSnapshot(
  yard: Pick<Yard, "stats" | "queues" | "workers" | "list" | "explain">,
  host: Pick<Host, "now" | "monotonic"> = systemHost,
): Promise<Snapshot> {
  const [stats, queues, workers, waiting] = await Promise.all([
    yard.stats(),
    yard.queues(),
    yard.workers(),
    yard.list({ state: "ready", limit: MAX_STUCK }),
  ]);
  const at = host.now();
  const old = waiting
    .map(({ id, name, queue, submittedAt }) => ({
      id,
      name,
      queue,
      waitedMs: submittedAt === null ? 0 : at - Date.parse(submittedAt),
    }))
    .filter(({ waitedMs }) => waitedMs >= STUCK_MS);
  const reasons = await Promise.all(old.map(({ id }) => yard.explain(id)));
  const stuck = old.map((task, index) => ({ ...task, why: reasons[index]?.sentence ?? "It has gone on." }));
  return { at, atMono: host.monotonic(), stats, queues, workers, stuck };
}
