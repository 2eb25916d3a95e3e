import { InvariantError } from "../protocol/errors.ts";
import { isTerminal } from "../protocol/task.ts";
import type { LiveTask, Queue, Worker } from "./live.ts";
import { usedCredit } from "./placement.ts";
import type { Shard } from "./shard.ts";
import { isActive, keptBytesOf } from "./task-record.ts";

/** Throws where memory contradicts itself. */
export function checkInvariants(shard: Shard): void {
  const tallies = new Map<Queue, Tally>();
  let bytes = 0;
  for (const [id, task] of shard.tasks) {
    demand(task.id === id, `Task ${task.id} is known as ${id}.`);
    checkPlace(shard, task);
    if (isTerminal(task.state) || task.mark === "park") continue;
    tally(tallies, task);
    bytes += keptBytesOf(task);
  }
  demand(bytes === shard.bytes, `${bytes} payload bytes are in memory and ${shard.bytes} counted.`);
  let backlogged = 0;
  for (const queue of shard.queues.all) {
    checkQueue(queue, tallies.get(queue) ?? { live: 0, ready: 0, active: 0 });
    if (queue.slot !== -1) backlogged++;
  }
  demand(backlogged === shard.queues.backlogged, "The backlog has lost count.");
  let free = 0;
  for (const worker of shard.roster.workers.values()) {
    checkWorker(shard, worker);
    if (worker.slot !== -1) free++;
  }
  demand(free === shard.roster.free, `${free} workers are free and ${shard.roster.free} counted.`);
}

interface Tally {
  live: number;
  ready: number;
  active: number;
}

function tally(tallies: Map<Queue, Tally>, task: LiveTask): void {
  const { queue } = task.kind.line;
  const counts = tallies.get(queue) ?? { live: 0, ready: 0, active: 0 };
  counts.live++;
  if (task.state === "ready") counts.ready++;
  if (isActive(task)) counts.active++;
  tallies.set(queue, counts);
}

/** A task is where its state says: on its timer, in its line, or in a worker's hands. */
function checkPlace(shard: Shard, task: LiveTask): void {
  const { id, state, details, last } = task;
  const isParked = task.mark === "park";
  demand(state !== "submitted", `Task ${id} rests as submitted.`);
  demand(isTerminal(state) === (task.mark === "done"), `Task ${id} is ${state} and marked ${task.mark}.`);
  demand(
    (task.slot !== -1) === (state === "ready" && !isParked),
    `Task ${id} is ${state} and ${task.slot === -1 ? "not " : ""}in its line.`,
  );
  const isHeld = last !== null && last.worker !== null;
  demand(isHeld === isActive(task), `Task ${id} is ${state} and ${isHeld ? "" : "not "}held.`);
  if (isHeld)
    demand(
      last.worker?.held[last.heldSlot] === last && last.number === task.attempt,
      `Task ${id} is not where its worker has it.`,
    );
  if (state === "scheduled" && !isParked)
    demand(details !== null && details.slot !== -1, `Task ${id} is scheduled without a timer.`);
  const hasTimer = details !== null && details.slot !== -1;
  if (hasTimer) demand(shard.timers.at(details.slot) === details, `The timer of task ${id} is lost.`);
  demand(!hasTimer || state === "scheduled" || state === "ready", `Task ${id} is ${state} and has a timer.`);
}

function checkQueue(queue: Queue, counts: Tally): void {
  const { name, paused } = queue.record;
  const inLines = queue.lines.reduce((sum, line) => sum + line.ordering.size, 0);
  demand(
    queue.live === counts.live && queue.active === counts.active,
    `Queue ${name} has lost count of its tasks.`,
  );
  demand(
    queue.ready === counts.ready && queue.ready === inLines,
    `Queue ${name} has lost count of its lines.`,
  );
  demand(
    (queue.slot !== -1) === (queue.ready > 0 && !paused),
    `Queue ${name} is wrongly in or out of the backlog.`,
  );
}

function checkWorker(shard: Shard, worker: Worker): void {
  const { id, group, slot } = worker;
  const isFree = group !== null && worker.takesWork && usedCredit(worker) < worker.credit;
  demand(isFree === (slot !== -1), `Worker ${id} is wrongly ${isFree ? "out of" : "in"} its pool.`);
  if (group !== null && slot !== -1)
    demand(group.pool.at(slot) === worker, `Worker ${id} is lost in its pool.`);
  demand(
    shard.timers.at(worker.silence.slot) === worker.silence,
    `Nobody would notice the silence of worker ${id}.`,
  );
  demand(!worker.leaving || usedCredit(worker) > 0, `Worker ${id} has left and is still known.`);
  for (const attempt of worker.held) {
    demand(
      attempt.worker === worker && shard.tasks.get(attempt.task.id) === attempt.task,
      `Worker ${id} holds what is not its own.`,
    );
  }
}

function demand(holds: boolean, message: string): void {
  if (!holds) throw new InvariantError(message);
}
