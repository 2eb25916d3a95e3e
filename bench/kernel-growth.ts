import type { Submission } from "../packages/yardmaster/src/protocol/task.ts";
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
import { spread } from "./statistics.ts";

/*
 * What a decision costs where there is much of something, beside little of it: task lives a second of the kernel alone,
 * in turns, small and large. Prints one JSON object of ratios, large by small: 1 is a cost that does not grow.
 */

const LIVES = 200_000;
const ROUNDS = 3;
/** What the workers take together, in either case. */
const CREDIT = 1_000;

interface World {
  /** Tasks that wait for a worker that never comes. */
  readonly waiting: number;
  readonly queues: number;
  readonly keys: number;
  readonly workers: number;
}

const small: World = { waiting: 0, queues: 10, keys: 10, workers: 10 };
const cases = {
  backlog1000000: { ...small, waiting: 1_000_000 },
  queues1000: { ...small, queues: 1_000 },
  keys100000: { ...small, keys: 100_000 },
  workers1000: { ...small, workers: 1_000 },
} satisfies Record<string, World>;

/** What no worker does. */
const absent = { ...spec, name: "bench.absent" };
const ratios = Object.entries(cases).map(([name, large]) => {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = livesPerSecond(small);
    return livesPerSecond(large) / before;
  });
  return [name, spread(rounds).median] as const;
});
console.log(JSON.stringify(Object.fromEntries(ratios)));

function livesPerSecond({ waiting, queues, keys, workers }: World): number {
  const kernel = openKernel();
  const names = Array.from({ length: queues }, (_, index) => `queue-${index}`);
  declare(kernel, "fifo", names);
  const specs = names.map((queue) => ({ ...spec, queue, limits: { concurrency: BATCH, rate: null } }));
  const terms = Array.from({ length: keys }, (_, key) => termsOf(`tenant-${key}`));
  submit(kernel, waiting, (index) => ({ ...submissionOf(LIVES + index), spec: absent }));
  for (let worker = 0; worker < workers; worker++) {
    const register = registrationOf(`w${worker}`, Math.ceil(CREDIT / workers));
    kernel.apply({ type: "workerRegistered", register }, START);
  }
  let elapsedMs = 0;
  for (let first = 0; first < LIVES; first += BATCH) {
    const now = START + Math.floor(first / BATCH);
    const batch = Array.from({ length: BATCH }, (_, offset): Submission => {
      const index = first + offset;
      return {
        ...submissionOf(index),
        spec: specs[index % queues] ?? spec,
        terms: terms[index % keys] ?? null,
      };
    });
    const started = performance.now();
    for (const submission of batch)
      kernel.apply({ type: "submitted", submission, stored: null, keyed: null }, now);
    kernel.apply({ type: "heartbeatReceived", heartbeat: heartbeatAt("w0", now), from: "worker:w0" }, now);
    succeedAll(kernel, kernel.effects(now).outgoing, now);
    kernel.effects(now);
    elapsedMs += performance.now() - started;
  }
  if (kernel.live !== waiting) throw new Error(`${kernel.live} tasks instead of ${waiting} are left`);
  return (LIVES / elapsedMs) * 1_000;
}

function submit(
  kernel: ReturnType<typeof openKernel>,
  count: number,
  submissionAt: (index: number) => Submission,
): void {
  for (let index = 0; index < count; index++) {
    kernel.apply({ type: "submitted", submission: submissionAt(index), stored: null, keyed: null }, START);
    if (index % BATCH === BATCH - 1) kernel.effects(START);
  }
  kernel.effects(START);
}
