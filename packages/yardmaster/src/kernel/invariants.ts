import { InvariantError } from "../protocol/errors.ts";
import { isTerminal } from "../protocol/task.ts";
import { countWaiting, paceOf, placesOf } from "./limits.ts";
import type { Gate, Kind, LiveTask, Queue, Worker } from "./live.ts";
import { hasRoom, suits } from "./pool.ts";
import { mayStart } from "./queues.ts";
import { type Requirement, Resources } from "./requirement.ts";
import type { Shard } from "./shard.ts";
import { inMemoryBytesOf, isActive, keptBytesOf } from "./task-record.ts";

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
  const beside = new Map<Queue, number>();
  for (const worker of shard.roster.workers.values()) {
    checkWorker(shard, worker);
    if (worker.isFree) free++;
    for (const { task, isSecond, isGhost } of [...worker.held, ...worker.ghostAttempts.values()]) {
      const { queue } = task.kind.line;
      if (isSecond || isGhost) beside.set(queue, (beside.get(queue) ?? 0) + 1);
    }
  }
  for (const queue of shard.queues.all)
    demand(
      queue.ghosts === (beside.get(queue) ?? 0),
      `Queue ${queue.record.name} has lost count of its ghosts.`,
    );
  checkGates(shard);
  checkLinks(shard);
  checkReservations(shard);
  demand(free === shard.roster.free, `${free} workers are free and ${shard.roster.free} counted.`);
}

const NOTHING: Readonly<Tally> = { live: 0, ready: 0, limited: 0, active: 0, blocked: 0 };

interface Tally {
  live: number;
  /** In a line. */
  ready: number;
  limited: number;
  active: number;
  blocked: number;
}

function tally(tallies: Map<Queue, Tally>, task: LiveTask): void {
  const { queue } = task.kind.line;
  const counts = tallies.get(queue) ?? { ...NOTHING };
  counts.live++;
  if (task.state === "ready" && task.gate === null) counts.ready++;
  if (task.gate !== null) counts.limited++;
  if (isActive(task)) counts.active++;
  if (task.state === "blocked") counts.blocked++;
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
  checkSecond(task);
  const hasTimer = details !== null && details.slot !== -1;
  if (hasTimer) demand(shard.timers.at(details.slot) === details, `The timer of task ${id} is lost.`);
  const mayHaveTimer = state === "scheduled" || state === "ready" || state === "blocked";
  demand(!hasTimer || mayHaveTimer, `Task ${id} is ${state} and has a timer.`);
}

/** Two attempts of a task are with two workers, and the second has the larger number. */
function checkSecond({ id, details, last, attempt }: LiveTask): void {
  const second = details === null ? null : details.second;
  if (second === null) return;
  demand(second.worker?.held[second.heldSlot] === second, `The second attempt of ${id} is not where it is.`);
  demand(last?.worker != null && last.worker !== second.worker, `Task ${id} has its second attempt alone.`);
  demand(second.isSecond && second.number > attempt, `The attempts of ${id} are out of order.`);
  demand(
    details?.secondNumber === second.number,
    `Task ${id} has forgotten the number of its second attempt.`,
  );
}

function checkQueue(queue: Queue, counts: Readonly<Tally>): void {
  const { name } = queue.record;
  const inLines = queue.lines.reduce((sum, line) => sum + line.ordering.size, 0);
  demand(
    queue.live === counts.live && queue.active === counts.active && queue.limited === counts.limited,
    `Queue ${name} has lost count of its tasks.`,
  );
  demand(queue.blocked === counts.blocked, `Queue ${name} has lost count of its blocked tasks.`);
  demand(
    queue.ready === counts.ready && queue.ready === inLines,
    `Queue ${name} has lost count of its lines.`,
  );
  demand(
    (queue.slot !== -1) === (queue.ready > 0 && mayStart(queue)),
    `Queue ${name} is wrongly in or out of the backlog.`,
  );
}

/** A limit is held by the attempts that run, and one that is open for a kind keeps none of it waiting while none is in a line. */
function checkGates(shard: Shard): void {
  const inLine = new Map<Gate, Set<Kind>>();
  const waiting = new Map<Gate, number>();
  for (const task of shard.tasks.values()) {
    if (task.gate !== null) waiting.set(task.gate, (waiting.get(task.gate) ?? 0) + 1);
    else if (task.slot !== -1)
      for (const gate of [placesOf(shard, task), paceOf(shard, task)])
        if (gate !== null) inLine.set(gate, (inLine.get(gate) ?? new Set()).add(task.kind));
  }
  const holders = holdersOf(shard);
  for (const gate of shard.gates.all()) {
    const name = `${gate.name} ${gate.key}`;
    demand(countWaiting(gate) === (waiting.get(gate) ?? 0), `The limit of ${name} has lost count.`);
    demand(gate.waiting?.size !== 0, `The limit of ${name} keeps no room.`);
    const held = holders.get(gate) ?? 0;
    demand(
      gate.limits === "rate" || gate.holders.size === held,
      `${held} attempts hold the limit of ${name}.`,
    );
    for (const [kind, room] of gate.waiting ?? []) {
      demand(room.size > 0, `The limit of ${name} keeps an empty room.`);
      if (inLine.get(gate)?.has(kind)) continue;
      if (gate.limits === "rate") demand(gate.slot !== -1, `Nothing wakes the rate of ${name}.`);
      else demand(held >= (kind.spec.limits?.concurrency ?? 0), `The limit of ${name} keeps out too many.`);
    }
  }
}

/** Who is blocked waits for somebody, or for the rest of its graph; who waits is blocked. */
function checkLinks({ links, tasks }: Shard): void {
  let [blocked, bytes] = [0, 0];
  const isUnderWay = links.ended.length + links.complete.length > 0;
  for (const task of tasks.values()) {
    const waits = links.dependenciesOf(task.id).size > 0;
    demand(!waits || task.state === "blocked", `Task ${task.id} is ${task.state} and waits for others.`);
    if (task.state !== "blocked") continue;
    blocked++;
    bytes += inMemoryBytesOf(task);
    demand(isUnderWay || links.isBlocked(task), `Task ${task.id} is blocked by nothing.`);
    for (const id of links.dependenciesOf(task.id))
      demand(links.dependentsOf(id).has(task.id), `Task ${id} does not know that ${task.id} waits for it.`);
  }
  demand(blocked === links.blocked && bytes === links.blockedBytes, "The blocked tasks are miscounted.");
  for (const graph of links.graphs.values()) {
    const isWhole = graph.arrived - graph.ended === graph.open.size;
    demand(isWhole && graph.ended < graph.members, `Graph ${graph.id} has lost count of its tasks.`);
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
  const { id, group } = worker;
  const isFree = group !== null && worker.takesWork && worker.used < worker.credit;
  demand(isFree === worker.isFree, `Worker ${id} is wrongly ${isFree ? "busy" : "free"}.`);
  checkSeats(worker);
  checkResources(worker);
  demand(
    worker.cutOff || shard.outbox.reaches(worker.mailbox),
    `Worker ${id} would be given work that is not sent.`,
  );
  demand(
    shard.timers.at(worker.silence.slot) === worker.silence,
    `Nobody would notice the silence of worker ${id}.`,
  );
  demand(!worker.leaving || worker.used > 0, `Worker ${id} has left and is still known.`);
  for (const attempt of worker.held) {
    const { last, details } = attempt.task;
    const isKnown = attempt === (attempt.isSecond ? details?.second : last);
    demand(isKnown, `Worker ${id} holds an attempt that its task has forgotten.`);
    demand(
      attempt.worker === worker && shard.tasks.get(attempt.task.id) === attempt.task,
      `Worker ${id} holds what is not its own.`,
    );
  }
}

/** A worker has a seat in each pool of its group where it could work, and is open in those where it has room. */
function checkSeats(worker: Worker): void {
  const { id, group } = worker;
  const pools = [...(group?.pools.values() ?? [])].flatMap((byRanking) => [...byRanking.values()]);
  const suited = pools.filter(({ requirement }) => suits(worker, requirement));
  demand(suited.length === worker.seats.length, `Worker ${id} has lost a seat.`);
  for (const seat of worker.seats) {
    const { pool, tier, slot } = seat;
    demand(suited.includes(pool) && pool.seats.has(seat), `Worker ${id} sits where it does not belong.`);
    const isOpen = hasRoom(worker, pool.requirement);
    demand(isOpen === (tier !== -1), `Worker ${id} is wrongly ${isOpen ? "closed" : "open"} in a pool.`);
    if (isOpen) demand(pool.tiers[tier]?.at(slot) === seat, `Worker ${id} is lost in a pool.`);
  }
  for (const { open, seats } of pools)
    demand(
      open === [...seats].filter(({ tier }) => tier !== -1).length,
      "A pool has lost count of those who have room.",
    );
}

/** What is in use of a worker is what the attempts need that it may run. */
function checkResources({ id, held, ghostAttempts, resources }: Worker): void {
  const recount = new Resources();
  for (const { task } of [...held, ...ghostAttempts.values()]) recount.take(task.kind.line.requirement.needs);
  const [used, counted] = [recount.view().used, resources.view().used];
  const names = new Set([...Object.keys(used), ...Object.keys(counted)]);
  for (const name of names)
    demand(
      used[name] === counted[name],
      `${used[name] ?? 0} ${name} of worker ${id} are in use, not ${counted[name] ?? 0}.`,
    );
}

/** A line that is short of resources keeps one worker at most, and a worker is kept for one line. */
function checkReservations(shard: Shard): void {
  const kept = new Map<Worker, Requirement>();
  for (const queue of shard.queues.all)
    for (const line of queue.lines) {
      if (line.reserved === null) continue;
      demand(shard.short.has(line), `A worker is kept for queue ${queue.record.name}, which lacks nothing.`);
      demand(!kept.has(line.reserved), `Worker ${line.reserved.id} is kept twice.`);
      kept.set(line.reserved, line.requirement);
    }
  for (const worker of shard.roster.workers.values())
    demand(
      worker.reservedFor === (kept.get(worker) ?? null),
      `Worker ${worker.id} is kept for nobody, or nobody knows.`,
    );
}

function demand(holds: boolean, message: string): void {
  if (!holds) throw new InvariantError(message);
}
