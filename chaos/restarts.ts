import type { TaskId } from "../packages/yardmaster/src/protocol/task.ts";
import type { Fact } from "../packages/yardmaster/src/testing/fact.ts";

/** Handlers of these tasks fail by themselves. */
const FAILS = /^(?:flaky|failing) /;

/** Counts attempts that faults cost, and how long each task of a lost worker waited for its next start. */
export class Restarts {
  readonly #fault = { last: "" };
  readonly #running = new Map<string, Set<TaskId>>();
  readonly #lost = new Map<TaskId, { readonly at: number; readonly fault: string }>();
  readonly #started = new Set<TaskId>();
  readonly #times = new Map<string, number[]>();
  #repeated = 0;

  get repeated(): number {
    return this.#repeated;
  }

  get byFault(): Record<string, readonly number[]> {
    return Object.fromEntries(this.#times);
  }

  observe(fact: Fact): void {
    switch (fact.type) {
      case "fault":
        this.#fault.last = fact.what;
        break;
      case "started": {
        const { id, label, process, at } = fact;
        if (this.#started.has(id) && !FAILS.test(label)) this.#repeated += 1;
        this.#started.add(id);
        const running = this.#running.get(process) ?? new Set();
        this.#running.set(process, running.add(id));
        this.#restarted(id, at);
        break;
      }
      case "ended":
        this.#running.get(fact.process)?.delete(fact.id);
        break;
      case "processGone":
        for (const id of this.#running.get(fact.process) ?? [])
          this.#lost.set(id, { at: fact.at, fault: this.#fault.last });
        this.#running.delete(fact.process);
        break;
      default:
        break;
    }
  }

  #restarted(id: TaskId, at: number): void {
    const lost = this.#lost.get(id);
    if (lost === undefined) return;
    this.#lost.delete(id);
    const times = this.#times.get(lost.fault) ?? [];
    this.#times.set(lost.fault, times);
    times.push(at - lost.at);
  }
}
