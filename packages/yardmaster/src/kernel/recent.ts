import type { EndedAttempt } from "../protocol/activity.ts";
import type { Millis, TerminalState } from "../protocol/task.ts";
import type { Attempt } from "./live.ts";

/** More are overwritten: whoever watches a busy shard sees a sample. */
const KEPT = 1_024;

type Entry = { -readonly [Key in keyof EndedAttempt]: EndedAttempt[Key] };

/** The attempts that ended last. Hot: an end writes into an entry that is there already, and keeps no task alive. */
export class Recent {
  readonly #ring: Entry[] = [];
  #count = 0;

  /** How many attempts have ended in all. */
  get count(): number {
    return this.#count;
  }

  add(attempt: Attempt, now: Millis): void {
    const { task, workerId, number, assignedAt } = attempt;
    const { name, queue } = task.kind.spec;
    const place = this.#count % KEPT;
    const entry = this.#ring[place];
    this.#count++;
    attempt.ended = this.#count;
    if (entry === undefined) {
      this.#ring[place] = {
        id: task.id,
        name,
        queue,
        worker: workerId,
        attempt: number,
        startedAt: assignedAt,
        endedAt: now,
        as: "retried",
      };
      return;
    }
    entry.id = task.id;
    entry.name = name;
    entry.queue = queue;
    entry.worker = workerId;
    entry.attempt = number;
    entry.startedAt = assignedAt;
    entry.endedAt = now;
    entry.as = "retried";
  }

  /** The task has ended with that attempt. */
  endedAs({ ended }: Attempt, state: TerminalState): void {
    if (ended === 0 || this.#count - ended >= KEPT) return;
    const entry = this.#ring[(ended - 1) % KEPT];
    if (entry !== undefined) entry.as = state;
  }

  /** The latest `limit` of those that came after the first `count`, oldest first. */
  since(count: number, limit: number): EndedAttempt[] {
    const fresh = Math.min(limit, KEPT, Math.max(0, this.#count - count));
    const found: EndedAttempt[] = [];
    for (let index = this.#count - fresh; index < this.#count; index++) {
      const entry = this.#ring[index % KEPT];
      if (entry !== undefined) found.push({ ...entry });
    }
    return found;
  }
}
