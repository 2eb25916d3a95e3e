import { InvariantError } from "../protocol/errors.ts";
import type { Millis, State } from "../protocol/task.ts";
import type { LiveTask } from "./live.ts";
import {
  admit,
  askToEnd,
  assign,
  buryEarly,
  cancel,
  enqueue,
  expire,
  giveBack,
  giveUp,
  ignore,
  lose,
  overtake,
  type Rule,
  refuse,
  retry,
  start,
  succeed,
  succeedLate,
  type TaskEvents,
  type TaskEventType,
  timeOut,
  unblock,
} from "./rules.ts";
import type { Shard } from "./shard.ts";

/** Cannot happen: who raises the event looks at the state and the attempt first. */
const never: null = null;

const NEVER = {
  accepted: never,
  unblocked: never,
  orphaned: never,
  refused: never,
  due: never,
  placed: never,
  started: never,
  succeeded: never,
  failed: never,
  returned: never,
  lost: never,
  timedOut: never,
  cancelled: never,
  expired: never,
  succeededLate: never,
} as const;

/** Every transition of a task. `docs/states.md` is rendered from this table. */
// biome-ignore format: the grid is the specification.
export const RULES: { readonly [S in State]: { readonly [E in TaskEventType]: Rule<E> | null } } = {
  submitted: { ...NEVER, accepted: admit, refused: refuse, cancelled: buryEarly },
  scheduled: { ...NEVER, due: enqueue,    cancelled: cancel,   expired: expire, succeededLate: succeedLate },
  blocked:   { ...NEVER, unblocked: unblock, orphaned: giveUp, cancelled: cancel, expired: expire, succeededLate: succeedLate },
  ready:     { ...NEVER, placed: assign,  cancelled: cancel,   expired: expire, succeededLate: succeedLate },
  assigned:  { ...NEVER, started: start,  succeeded: succeed,  failed: retry,   returned: giveBack, lost: lose, timedOut: timeOut, cancelled: askToEnd, succeededLate: overtake },
  running:   { ...NEVER, started: ignore, succeeded: succeed,  failed: retry,   returned: giveBack, lost: lose, timedOut: timeOut, cancelled: askToEnd, succeededLate: overtake },
  succeeded: NEVER,
  failed:    NEVER,
  cancelled: NEVER,
  expired:   NEVER,
};

/** Tells a task that something happened to it. What cannot happen throws when invariants are checked, and is counted otherwise. */
export function happen<E extends TaskEventType>(
  shard: Shard,
  task: LiveTask,
  now: Millis,
  event: E,
  fact: TaskEvents[E],
): void {
  const from = task.state;
  const rule: Rule<E> | null = RULES[from][event];
  if (rule === null) {
    shard.oddities.impossible++;
    if (shard.validate)
      throw new InvariantError(`Task ${task.id} cannot be ${event} while ${from} (attempt ${task.attempt}).`);
    return;
  }
  rule.run(shard, task, now, fact);
  if (shard.validate && !rule.leadsTo.includes(task.state === from ? "same" : task.state)) {
    throw new InvariantError(
      `Task ${task.id} went from ${from} to ${task.state}, where "${rule.name}" never leads.`,
    );
  }
}
