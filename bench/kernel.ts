import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { QueueRecord, Submission, TaskSpec } from "../packages/yardmaster/src/protocol/task.ts";
import {
  BATCH,
  declare,
  heartbeatAt,
  openKernel,
  registrationOf,
  START,
  spec,
  submissionOf,
  succeedAll,
  termsOf,
} from "./kernel-world.ts";

/*
 * What the kernel alone can do on one core: whole task lives (submitted, assigned, succeeded) in batches, and the
 * memory of tasks that wait. Prints one JSON object; every number is the median of three runs.
 */

const LIVES = 1_000_000;
const WAITING = 1_000_000;
const BACKLOG = 100_000;
const TENANTS = 1_000;

/** A place in two for each tenant, and a rate that is hardly ever in the way. */
const limitedSpec: TaskSpec = {
  ...spec,
  limits: { concurrency: 2, rate: { limit: 1_000_000, perMs: 1_000, burst: 1_000 } },
};
const prioritySpec: TaskSpec = { ...spec, queue: "urgent" };
const tenants = Array.from({ length: TENANTS }, (_, tenant) => termsOf(`tenant-${tenant}`));

interface Variant {
  readonly queue: QueueRecord["order"] | null;
  readonly wish: (index: number) => Partial<Submission>;
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const plain: Variant = { queue: null, wish: () => ({}) };
/** A fair queue of 1,000 tenants beside one ordered by priority; half of the tasks have a place and a rate to wait for. */
const busy: Variant = {
  queue: "fair",
  wish: (index) =>
    index % 2 === 0
      ? { spec: limitedSpec, terms: tenants[index % TENANTS] ?? null }
      : { spec: prioritySpec, priority: index % 256 },
};

const livesPerSecond = median([0, 1, 2].map(() => measureLives(plain)));
const busyLivesPerSecond = median([0, 1, 2].map(() => measureLives(busy)));
const manyKeysRatio = median([0, 1, 2].map(() => measureBacklog(BACKLOG) / measureBacklog(1)));
const waitingBytesPerTask = median([0, 1, 2].map(measureWaiting));
console.log(
  JSON.stringify({
    livesPerSecond: Math.round(livesPerSecond),
    busyLivesPerSecond: Math.round(busyLivesPerSecond),
    manyKeysRatio,
    waitingBytesPerTask: Math.round(waitingBytesPerTask),
  }),
);

function measureLives({ queue, wish }: Variant): number {
  const kernel = openKernel();
  if (queue !== null) declare(kernel, queue);
  kernel.apply({ type: "workerRegistered", register: registrationOf("w", BATCH) }, START);
  let ended = 0;
  let elapsedMs = 0;
  for (let first = 0; first < LIVES; first += BATCH) {
    const now = START + Math.floor(first / BATCH);
    const submissions = Array.from({ length: BATCH }, (_, offset) => ({
      ...submissionOf(first + offset),
      ...wish(first + offset),
    }));
    const started = performance.now();
    for (const submission of submissions)
      kernel.apply({ type: "submitted", submission, stored: null, keyed: null }, now);
    kernel.apply({ type: "heartbeatReceived", heartbeat: heartbeatAt("w", now), from: "worker:w" }, now);
    succeedAll(kernel, kernel.effects(now).outgoing, now);
    const { changes } = kernel.effects(now);
    elapsedMs += performance.now() - started;
    ended += changes.filter(({ type }) => type === "finish").length;
  }
  if (ended !== LIVES || kernel.live !== 0) throw new Error(`${ended} of ${LIVES} tasks ended`);
  return (LIVES / elapsedMs) * 1000;
}

/** How long so many waiting tasks of so many fairness keys take to be submitted and handed out. */
function measureBacklog(keys: number): number {
  const kernel = openKernel();
  declare(kernel, "fair");
  const terms = Array.from({ length: keys }, (_, key) => termsOf(`tenant-${key}`));
  const submissions = Array.from({ length: BACKLOG }, (_, index) => ({
    ...submissionOf(index),
    terms: terms[index % keys] ?? null,
  }));
  collectGarbage();
  const started = performance.now();
  for (const submission of submissions)
    kernel.apply({ type: "submitted", submission, stored: null, keyed: null }, START);
  kernel.effects(START);
  kernel.apply({ type: "workerRegistered", register: registrationOf("w", BATCH) }, START);
  for (let now = START; kernel.live > 0; now++) {
    kernel.apply({ type: "heartbeatReceived", heartbeat: heartbeatAt("w", now), from: "worker:w" }, now);
    succeedAll(kernel, kernel.effects(now).outgoing, now);
  }
  return performance.now() - started;
}

function measureWaiting(): number {
  const before = heapBytes();
  const kernel = openKernel();
  for (let index = 0; index < WAITING; index++) {
    const now = START + Math.floor(index / BATCH);
    kernel.apply({ type: "submitted", submission: submissionOf(index), stored: null, keyed: null }, now);
    if (index % BATCH === BATCH - 1) kernel.effects(now);
  }
  const bytes = (heapBytes() - before) / WAITING;
  if (kernel.live !== WAITING) throw new Error(`${kernel.live} of ${WAITING} tasks wait`);
  return bytes;
}

function heapBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[1] ?? 0;
}
