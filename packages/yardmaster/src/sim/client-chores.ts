import type { TaskHandle } from "../client/handle.ts";
import type { ScheduleOptions } from "../client/schedules.ts";
import { pause } from "../host.ts";
import { isCode } from "../protocol/errors.ts";
import { MAX_LATE_MS } from "./remote-call.ts";
import type { SchedulePlan } from "./schedule-plan.ts";
import type { SimDefinition, SimInput } from "./sim-definitions.ts";
import type { SimProcess } from "./sim-process.ts";
import { labelOf } from "./sim-tasks.ts";
import type { QueuePlan } from "./workload.ts";

/** What a client does beside submitting. */
export interface ChoreClient {
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  schedule(
    name: string,
    definition: SimDefinition,
    input: SimInput,
    options: ScheduleOptions,
  ): Promise<unknown>;
  readonly schedules: {
    pause(name: string): Promise<unknown>;
    resume(name: string): Promise<unknown>;
    runNow(name: string): Promise<TaskHandle>;
    remove(name: string): Promise<unknown>;
  };
}

/** Pauses a queue for a while. */
export async function pauseQueue(process: SimProcess, client: ChoreClient, plan: QueuePlan): Promise<void> {
  const { forMs, queue } = plan;
  // Whoever does not know whether a queue is paused goes on as if it were.
  await attempted(process, `pause of ${queue}`, () => client.pause(queue));
  await pause(process.host, forMs);
  await untilDone(process, `resume of ${queue}`, () => client.resume(queue));
}

/** A schedule under the name that this incarnation of the client gave it. */
export interface OwnSchedule {
  readonly name: string;
  readonly plan: SchedulePlan;
  readonly definition: SimDefinition;
  readonly input: SimInput;
}

/** Declares a schedule, runs it once between its ticks, stops it for a moment, and takes it away, and all names before. */
export async function keepSchedule(
  process: SimProcess,
  client: ChoreClient,
  { name, plan, definition, input }: OwnSchedule,
  names: readonly string[],
): Promise<void> {
  const { cron, everyMs, missed, overlap, forMs } = plan;
  process.note("schedule", name);
  await attempted(process, `schedule ${name}`, () =>
    client.schedule(name, definition, input, {
      missed,
      overlap,
      ...(cron === "" ? { everyMs } : { cron }),
    }),
  );
  await pause(process.host, 0.3 * forMs);
  await attempted(process, `run of ${name}`, async () => {
    const { id } = await client.schedules.runNow(name);
    if (process.alive) process.observe({ type: "submitted", label: labelOf(plan.task), id });
  });
  await pause(process.host, 0.3 * forMs);
  await attempted(process, `pause of ${name}`, () => client.schedules.pause(name));
  await pause(process.host, 0.1 * forMs);
  await attempted(process, `resume of ${name}`, () => client.schedules.resume(name));
  await pause(process.host, 0.3 * forMs);
  const removeAll = async (): Promise<void> => {
    for (const one of names)
      await untilDone(process, `removal of ${one}`, () => client.schedules.remove(one));
  };
  await removeAll();
  // A declaration whose answer nobody heard may be kept by a consumer, and come after its removal (seed 28738).
  while (process.world.faults.keepsFrames) {
    await pause(process.host, 5_000);
    await removeAll();
  }
}

/** A call whose failure is noted and changes nothing: its outcome is unknown. */
async function attempted(process: SimProcess, what: string, call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (isCode(error, "CLOSED")) throw error;
    process.note("failed", `${what}: ${String(error)}`);
  }
}

/**
 * What is never undone would be the workload's fault: what was late enough to meet a new owner is undone once more
 * when none such can come any more.
 */
async function untilDone(process: SimProcess, what: string, call: () => Promise<unknown>): Promise<void> {
  const { healAt, lateChance } = process.world.faults.plan;
  for (;;) {
    const sentAt = process.host.monotonic();
    try {
      await call();
    } catch (error) {
      if (isCode(error, "CLOSED")) throw error;
      process.note("failed", `${what}: ${String(error)}`);
      if (!isGone(error)) {
        await pause(process.host, 1_000);
        continue;
      }
    }
    if (lateChance === 0 || sentAt > healAt + MAX_LATE_MS) return;
    await pause(process.host, healAt + MAX_LATE_MS + 1_000 - sentAt);
  }
}

function isGone(error: unknown): boolean {
  return isCode(error, "INVALID_NAME");
}
