import type { Outgoing } from "../packages/yardmaster/src/kernel/effects.ts";
import { Kernel } from "../packages/yardmaster/src/kernel/kernel.ts";
import type { Heartbeat, Register } from "../packages/yardmaster/src/protocol/envelope.ts";
import type {
  QueueRecord,
  Submission,
  TaskSpec,
  TaskTerms,
} from "../packages/yardmaster/src/protocol/task.ts";

/** What surrounds a kernel that is measured alone: submissions, workers that answer at once, and a clock. */
export const BATCH = 500;
export const START = 1_790_000_000_000;

export const spec: TaskSpec = {
  name: "bench.noop",
  queue: "default",
  version: 1,
  attempts: 3,
  backoff: { type: "exponential", baseMs: 1000, maxMs: 60_000, jitter: "full" },
  timeoutMs: 60_000,
  graceMs: 5_000,
  delivery: "at-least-once",
  keepResultMs: 86_400_000,
  keepFailureMs: 604_800_000,
};

export function openKernel(): Kernel {
  const kernel = new Kernel({ shard: 0, epoch: 1, seed: 1 });
  kernel.restored(START);
  return kernel;
}

export function declare(kernel: Kernel, order: QueueRecord["order"], more: readonly string[] = []): void {
  const base = { placement: "two-choices", paused: false, revision: 1 } as const;
  const queues = [
    { name: "default", order, ...base },
    { name: "urgent", order: "priority", ...base } as const,
    ...more.map((name) => ({ name, order, ...base })),
  ];
  const command = { type: "apply", queues } as const;
  kernel.apply({ type: "commanded", command, request: 1, replyTo: "client:bench" }, START);
}

export function termsOf(key: string): TaskTerms {
  return {
    deadline: 0,
    deadlineInMs: 0,
    fairnessKey: key,
    weight: 1,
    concurrencyKey: key,
    rateKey: key,
    affinityKey: "",
  };
}

/** Ids and payloads are strings of their own, as they are when they come out of a frame. */
export function submissionOf(index: number): Submission {
  const digits = index.toString(16).padStart(12, "0");
  return {
    id: fresh(`01995000-0000-7000-8000-${digits}`),
    spec,
    priority: 0,
    runAt: 0,
    delayMs: 0,
    expiresInMs: 0,
    key: null,
    retryOf: "",
    replyTo: "client:bench",
    copy: false,
    terms: null,
    payload: fresh(digits.padEnd(100, "x")),
  };
}

export function registrationOf(worker: string, credit: number): Register {
  return {
    type: "register",
    worker,
    mailbox: `worker:${worker}`,
    credit,
    tasks: [{ name: spec.name, version: 1 }],
    queues: [],
    labels: {},
    resources: {},
  };
}

export function heartbeatAt(worker: string, number: number): Heartbeat {
  return { type: "heartbeat", worker, number, credit: BATCH, stalledMs: 0 };
}

export function succeedAll(kernel: Kernel, outgoing: readonly Outgoing[], now: number): void {
  for (const { mailbox, envelopes } of outgoing) {
    for (const envelope of envelopes) {
      if (envelope.type !== "assign") continue;
      const outcome = {
        type: "outcome",
        id: envelope.id,
        epoch: 1,
        attempt: envelope.attempt,
        kind: "succeeded",
        delayMs: 0,
        result: "null",
        error: null,
        startedAt: now,
      } as const;
      kernel.apply({ type: "outcomeReported", outcome, worker: mailbox.slice("worker:".length) }, now);
    }
  }
}

function fresh(text: string): string {
  return Buffer.from(text, "latin1").latin1Slice();
}
