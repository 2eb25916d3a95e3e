import { describe, expect, it } from "vitest";
import { InvariantError } from "../protocol/errors.ts";
import { STATES, type State } from "../protocol/task.ts";
import { LiveTask, Worker } from "./live.ts";
import type { TaskEvents, TaskEventType } from "./rules.ts";
import { Shard } from "./shard.ts";
import { happen, RULES } from "./transitions.ts";

const limits = { maxLive: 10, maxLiveBytes: 1e6, workerLossMs: 1, quarantineDeaths: 3, minIdTtlMs: 1 };
const error = { code: "X", message: "", stack: "" };
const outcome = {
  type: "outcome",
  id: "t",
  epoch: 1,
  attempt: 1,
  kind: "succeeded",
  delayMs: 0,
  result: "",
  error: null,
  startedAt: 0,
} as const;
const facts: TaskEvents = {
  accepted: null,
  unblocked: null,
  orphaned: error,
  refused: error,
  due: null,
  placed: new Worker("w", "worker:w", 1),
  started: 1,
  succeeded: outcome,
  failed: outcome,
  returned: "w",
  lost: "silent",
  timedOut: null,
  cancelled: error,
  expired: null,
  succeededLate: { outcome, worker: "w" },
};

const stages = STATES;
const events = Object.keys(facts).filter((event): event is TaskEventType => event in facts);
const never = stages.flatMap((state) =>
  events.filter((event) => RULES[state][event] === null).map((event) => ({ state, event })),
);

function taskIn(shard: Shard, state: State): LiveTask {
  const kind = shard.kindOf({
    name: "n",
    queue: "q",
    version: 1,
    attempts: 1,
    backoff: { type: "fixed", baseMs: 1, jitter: "none" },
    timeoutMs: 0,
    graceMs: 0,
    delivery: "at-least-once",
    keepResultMs: 1,
    keepFailureMs: 1,
  });
  const task = new LiveTask(kind, { id: "t", replyTo: "", priority: 0, terms: null }, "", shard.momentOf(1));
  task.state = state;
  return task;
}

describe("the transition table", () => {
  it("has a row for every state and a column for every event", () => {
    expect(Object.keys(RULES)).toEqual(stages);
    for (const state of stages) expect(Object.keys(RULES[state]).sort()).toEqual(events.toSorted());
  });

  it.each(never)(
    "has nothing for a task that is $event while $state: tests are told, production counts",
    ({ state, event }) => {
      const strict = new Shard({ shard: 0, epoch: 1, seed: 1, validate: true, limits });
      expect(() => happen(strict, taskIn(strict, state), 1, event, facts[event])).toThrow(InvariantError);
      const shard = new Shard({ shard: 0, epoch: 1, seed: 1, validate: false, limits });
      const task = taskIn(shard, state);
      happen(shard, task, 1, event, facts[event]);
      expect([task.state, shard.oddities.impossible, shard.journal.take()]).toEqual([state, 1, []]);
    },
  );

  it("leaves no payload with a task that has left memory, as others may hold on to it", () => {
    const shard = new Shard({ shard: 0, epoch: 1, seed: 1, validate: true, limits });
    const task = taskIn(shard, "ready");
    task.payload = '"large"';
    shard.add(task);
    shard.journal.begin(task, "insert");
    expect(shard.journal.take()).toMatchObject([{ type: "insert", payload: '"large"' }]);
    happen(shard, task, 1, "cancelled", error);
    expect(shard.journal.take()).toMatchObject([{ type: "finish", task: { state: "cancelled" } }]);
    expect([shard.tasks.size, task.payload]).toEqual([0, null]);
  });
});
