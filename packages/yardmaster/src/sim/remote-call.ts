import { YardmasterError } from "../protocol/errors.ts";
import type { SimProcess } from "./sim-process.ts";

/** A call of a process to a service outside of it. */
export interface RemoteCall<T> {
  /** Its name, for crash points: `store.acquire`. */
  readonly name: string;
  readonly service: "broker" | "store";
  /** What the service does when the request arrives. */
  apply(): Promise<T>;
  /** Whether the call may fail with an unknown outcome. */
  readonly fallible: boolean;
}

/**
 * Carries a call out and its answer back, both with latency; the process can crash at either end. What has
 * left a process arrives even if the process dies meanwhile, or half of the time does not.
 */
export function remotely<T>(process: SimProcess, call: RemoteCall<T>): Promise<T> {
  if (!process.passes(call.name, "before")) return new Promise<never>(() => undefined);
  return new Promise((resolve, reject) => {
    const { timeline, faults } = process.world;
    const fate = call.fallible ? faults.call(call.service, process.random) : "fine";
    if (fate !== "fine") process.world.coverage.fault(fate === "out" ? "outage" : `${call.service} ${fate}`);
    const { starts } = faults;
    const isCut = (): boolean => call.fallible && faults.starts !== starts;
    process.note("call", fate === "fine" ? call.name : `${call.name} ${fate}`);
    const answer = (settle: () => void): void => {
      timeline.schedule(process.latency(), process, () => {
        if (!process.passes(call.name, "after")) return;
        process.note("answer", call.name);
        if (isCut()) reject(failure(call));
        else settle();
      });
    };
    const request = (): void => {
      if (!process.alive && process.random.chance(0.5)) return;
      if (fate === "refused" || fate === "out" || isCut()) {
        answer(() => reject(failure(call)));
        return;
      }
      const applied = call.apply();
      if (fate === "lost") {
        applied.then(
          () => answer(() => reject(failure(call))),
          () => answer(() => reject(failure(call))),
        );
        return;
      }
      applied.then(
        (value) => answer(() => resolve(value)),
        (error: unknown) => answer(() => reject(error)),
      );
    };
    if (fate === "late") {
      answer(() => reject(failure(call)));
      timeline.schedule(process.random.below(MAX_LATE_MS), null, () => {
        if (!isCut()) void applyUnheard(process, call);
      });
    } else {
      timeline.schedule(process.requestDelay(process.latency()), null, request);
    }
  });
}

/** How long after its failure a call can still be applied. */
export const MAX_LATE_MS = 30_000;

async function applyUnheard<T>(process: SimProcess, call: RemoteCall<T>): Promise<void> {
  process.note("late", call.name);
  try {
    await call.apply();
  } catch {
    // The caller was told of a failure long ago.
  }
}

function failure(call: RemoteCall<unknown>): YardmasterError {
  const code = call.service === "store" ? "STORE_UNAVAILABLE" : "BROKER_UNAVAILABLE";
  return new YardmasterError(code, `The simulated ${call.service} did not answer ${call.name}`);
}
