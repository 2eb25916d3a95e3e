import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { openEngine } from "../../src/connect.ts";
import { startDispatcherOn } from "../../src/dispatcher/dispatcher.ts";
import type { LeaseTimes } from "../../src/dispatcher/lease-keeper.ts";
import type { EngineAddress } from "../../src/engine.ts";
import { systemHost } from "../../src/host.ts";
import { isCode, YardmasterError } from "../../src/protocol/errors.ts";
import { type Call, createHandlers } from "../../src/worker/handlers.ts";
import { connect, startWorker, type YardAddress } from "../../src/yard.ts";
import { limited, total, type Work, type Worked, work } from "./fault-tasks.ts";

/** A process of a yard under faults. It writes what happens to its parent, and obeys it. */
export interface ActorOrder {
  readonly role: "dispatcher" | "worker" | "producer";
  readonly address: EngineAddress;
  readonly folder: string;
  readonly times?: LeaseTimes;
  /** Of a worker. */
  readonly slots?: number;
  /** Of a producer: how many tasks it submits a second, as long as not too many are unfinished. */
  readonly rate?: number;
}

export type ActorMessage =
  | { readonly type: "ready"; readonly id: string }
  | { readonly type: "alarm"; readonly code: string; readonly message: string; readonly at: number }
  | { readonly type: "progress"; readonly at: number; readonly done: number }
  | { readonly type: "tally"; readonly tally: Tally };

/** What became of the tasks whose submission was acknowledged. */
export interface Tally {
  readonly acknowledged: number;
  readonly done: number;
  readonly wrong: number;
  readonly failures: readonly string[];
  /** How often a submission was refused for the moment and tried again. */
  readonly retried: number;
}

const STEP_MS = 20;
const MAX_IN_FLIGHT = 500;

// The order is what `actors.ts` hands over.
const order = JSON.parse(process.argv[2] ?? "") as ActorOrder;
const { address, folder, role } = order;
const place: YardAddress = typeof address === "string" ? { url: address } : address;

function tell(message: ActorMessage): void {
  if (process.connected) process.send?.(message);
}

const START: Record<ActorOrder["role"], () => Promise<void>> = {
  dispatcher: startDispatcher,
  worker: startOneWorker,
  producer: startProducer,
};
// Nobody else would end it, should its parent be gone.
process.once("disconnect", () => process.exit());
await START[role]();

async function startDispatcher(): Promise<void> {
  const dispatcher = await startDispatcherOn({
    engine: await openEngine(address),
    host: systemHost,
    ...(order.times === undefined ? {} : { times: order.times }),
    onAlarm: ({ code, message }) => tell({ type: "alarm", code, message, at: Date.now() }),
  });
  tell({ type: "ready", id: dispatcher.owner });
}

async function startOneWorker(): Promise<void> {
  const { on } = createHandlers();
  const one = async ({ input, attempt, taskId }: Call<Work>): Promise<Worked> => {
    const line = `${Date.now()} ${taskId} ${attempt} ${process.pid} ${input.number}\n`;
    appendFileSync(join(folder, "ran.log"), line);
    while (input.until !== "" && !existsSync(input.until)) await pause(10);
    return { doubled: input.number * 2, pid: process.pid, attempt };
  };
  const sum = on(total, ({ input }) => input.reduce((all, { doubled }) => all + doubled, 0));
  const handlers = [on(work, one), on(limited, one), sum];
  const worker = await startWorker({ ...place, handlers, slots: order.slots ?? 20 });
  tell({ type: "ready", id: worker.id });
}

/** Submits at its rate until it is told to stop; then it waits for the last results. */
async function startProducer(): Promise<void> {
  const yard = await connect(place);
  let number = 0;
  let [acknowledged, done, wrong, retried] = [0, 0, 0, 0];
  const failures: string[] = [];

  const once = async (input: Work): Promise<void> => {
    for (;;) {
      try {
        // The key makes the repetition of a submission with unknown outcome the same task.
        const task = await yard.submit(work, input, { idempotencyKey: `${process.pid}-${input.number}` });
        acknowledged += 1;
        check(input, await task.result());
        return;
      } catch (error) {
        if (!(error instanceof YardmasterError) || !error.retryable) {
          failures.push(`${input.number}: ${String(error)}`);
          return;
        }
        if (isCode(error, "CLOSED")) return;
        retried += 1;
        await pause(50);
      }
    }
  };
  const check = (input: Work, { doubled }: Worked): void => {
    if (doubled === input.number * 2) done += 1;
    else wrong += 1;
  };
  const inFlight = new Set<Promise<void>>();
  const startedAt = performance.now();
  let skipped = 0;
  const step = (): void => {
    const due = ((performance.now() - startedAt) / 1_000) * (order.rate ?? 100);
    while (number + skipped < due) {
      if (inFlight.size >= MAX_IN_FLIGHT) {
        skipped = due - number;
        return;
      }
      const one = once({ number: ++number, until: "" }).finally(() => inFlight.delete(one));
      inFlight.add(one);
    }
  };
  const submitting = setInterval(step, STEP_MS);
  const ticking = setInterval(() => tell({ type: "progress", at: Date.now(), done }), 250);
  tell({ type: "ready", id: String(process.pid) });
  await new Promise((resolve) => process.once("message", resolve));
  clearInterval(submitting);
  while (inFlight.size > 0) await Promise.all(inFlight);
  clearInterval(ticking);
  tell({ type: "tally", tally: { acknowledged, done, wrong, failures, retried } });
  await yard.close();
  process.disconnect();
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
