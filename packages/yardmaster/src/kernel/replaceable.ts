import { keyOf } from "../protocol/change.ts";
import type { Millis, ReplaceTerms, Submission, TaskError, TaskTerms } from "../protocol/task.ts";
import type { LiveTask } from "./live.ts";

/** By definition and key: the last task that has not started, whose place the next one takes. */
export class Replaceable {
  readonly #last = new Map<string, LiveTask>();

  get size(): number {
    return this.#last.size;
  }

  /** The one that a submission replaces, or null. */
  before({ spec, terms }: Pick<Submission, "spec" | "terms">): LiveTask | null {
    if (terms?.replace === undefined) return null;
    return this.#last.get(keyOf(spec.name, terms.replace.key)) ?? null;
  }

  /** Another has its key, so that it has been replaced. */
  isReplaced(task: LiveTask): boolean {
    const last = this.before(asSubmission(task));
    return last !== null && last !== task;
  }

  /** It waits for its first attempt. */
  waits(task: LiveTask): void {
    const { replace } = task.terms ?? {};
    // Numbers that were left out were no attempts.
    if (replace !== undefined && task.attempt === (task.details?.skipped ?? 0))
      this.#last.set(keyOf(task.kind.spec.name, replace.key), task);
  }

  /** It has started, or ended. */
  gone(task: LiveTask): void {
    const { replace } = task.terms ?? {};
    if (replace === undefined) return;
    const key = keyOf(task.kind.spec.name, replace.key);
    if (this.#last.get(key) === task) this.#last.delete(key);
  }
}

/** The terms of a new task, with the time by which the last of those that replace each other must start. */
export function withUntil(
  terms: TaskTerms,
  replace: ReplaceTerms,
  before: LiveTask | null,
  now: Millis,
): TaskTerms {
  const inherited = before?.terms?.replace?.until ?? 0;
  const own = replace.maxWaitMs === 0 ? 0 : now + replace.maxWaitMs;
  return {
    ...terms,
    replace: { ...replace, waitMs: 0, maxWaitMs: 0, until: inherited > 0 ? inherited : own },
  };
}

/** When a task that waits for a later one starts without any. */
export function restsUntil(
  { waitMs, maxWaitMs }: ReplaceTerms,
  before: LiveTask | null,
  now: Millis,
): Millis {
  if (waitMs === 0) return 0;
  const inherited = before?.terms?.replace?.until ?? 0;
  const latest = inherited > 0 ? inherited : maxWaitMs > 0 ? now + maxWaitMs : Number.POSITIVE_INFINITY;
  return Math.min(now + waitMs, latest);
}

/** The end of a task whose place another has taken. */
export function superseded(by: string): TaskError {
  const message = `${by}, submitted later with the same key, took its place.`;
  return { code: "SUPERSEDED", message, stack: "" };
}

function asSubmission({ kind, terms }: LiveTask): Pick<Submission, "spec" | "terms"> {
  return { spec: kind.spec, terms };
}
