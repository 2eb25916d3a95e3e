import { InvariantError } from "../protocol/errors.ts";
import { isTerminal } from "../protocol/task.ts";
import { paceOf, placesOf } from "./limits.ts";
import type { Gate, LiveTask, Queue, Worker } from "./live.ts";
import { usedCredit } from "./placement.ts";
import { mayStart } from "./queues.ts";
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
    checkQueue(queue, tallies.get(queue) ?? NOTHING);
    if (queue.slot !== -1) backlogged++;
  }
  demand(backlogged === shard.queues.backlogged, "The backlog has lost count.");
  let free = 0;
  for (const worker of shard.roster.workers.values()) {
    checkWorker(shard, worker);
    if (worker.slot !== -1) free++;
  }
  checkGates(shard);
  demand(free === shard.roster.free, `${free} workers are free and ${shard.roster.free} counted.`);
}

const NOTHING: Readonly<Tally> = { live: 0, ready: 0, limited: 0, active: 0 };

interface Tally {
  live: number;
  /** In a line. */
  ready: number;
  limited: number;
  active: number;
}

function tally(tallies: Map<Queue, Tally>, task: LiveTask): void {
  const { queue } = task.kind.line;
  const counts = tallies.get(queue) ?? { ...NOTHING };
  counts.live++;
  if (task.state === "ready" && task.gate === null) counts.ready++;
  if (task.gate !== null) counts.limited++;
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

function checkQueue(queue: Queue, counts: Readonly<Tally>): void {
  const { name } = queue.record;
  const inLines = queue.lines.reduce((sum, line) => sum + line.ordering.size, 0);
  demand(
    queue.live === counts.live && queue.active === counts.active && queue.limited === counts.limited,
    `Queue ${name} has lost count of its tasks.`,
  );
  demand(
    queue.ready === counts.ready && queue.ready === inLines,
    `Queue ${name} has lost count of its lines.`,
  );
  demand(
    (queue.slot !== -1) === (queue.ready > 0 && mayStart(queue)),
    `Queue ${name} is wrongly in or out of the backlog.`,
  );
}

/** A limit is held by the attempts that run, and an open one keeps nobody waiting while nobody of it is in a line. */
function checkGates(shard: Shard): void {
  const inLine = new Set<Gate>();
  const waiting = new Map<Gate, number>();
  for (const task of shard.tasks.values()) {
    if (task.gate !== null) waiting.set(task.gate, (waiting.get(task.gate) ?? 0) + 1);
    else if (task.slot !== -1)
      for (const gate of [placesOf(shard, task), paceOf(shard, task)]) if (gate !== null) inLine.add(gate);
  }
  const holders = holdersOf(shard);
  for (const gate of shard.gates.all()) {
    const name = `${gate.name} ${gate.key}`;
    const next = gate.waiting?.peek();
    demand((gate.waiting?.size ?? 0) === (waiting.get(gate) ?? 0), `The limit of ${name} has lost count.`);
    demand(gate.waiting === null || next !== undefined, `The limit of ${name} keeps an empty room.`);
    if (gate.limits === "rate") {
      demand(
        next === undefined || gate.slot !== -1 || inLine.has(gate),
        `Nothing wakes the rate of ${name}.`,
      );
      continue;
    }
    const held = holders.get(gate) ?? 0;
    demand(
      gate.holders.size === held,
      `${held} attempts hold the limit of ${name}, not ${gate.holders.size}.`,
    );
    const most = next?.kind.spec.limits?.concurrency ?? 0;
    demand(
      next === undefined || held >= most || inLine.has(gate),
      `The limit of ${name} keeps out too many.`,
    );
  }
}

function holdersOf(shard: Shard): Map<Gate, number> {
  const holders = new Map<Gate, number>();
  for (const worker of shard.roster.workers.values()) {
    for (const { places } of [...worker.held, ...worker.ghostAttempts.values()])
      if (places !== null) holders.set(places, (holders.get(places) ?? 0) + 1);
  }
  return holders;
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
