import type { Register } from "../protocol/envelope.ts";
import { Group, type Line, Skill, Worker } from "./live.ts";
import { PLACEMENTS } from "./placement.ts";
import { Pool, type Ranking } from "./pool.ts";
import type { Requirement } from "./requirement.ts";

/** Who can run what, and who has free credit. */
export class Roster {
  readonly workers: Map<string, Worker> = new Map();
  readonly #skills = new Map<string, Skill>();
  readonly #groups = new Map<string, Group>();
  #numbers = 0;
  #free = 0;
  /** Rises whenever lines may find their workers in other pools than before. */
  #version = 0;

  get skills(): Iterable<Skill> {
    return this.#skills.values();
  }

  /** How many workers have free credit. */
  get free(): number {
    return this.#free;
  }

  /** Whether any worker has registered. */
  get isStaffed(): boolean {
    return this.#groups.size > 0;
  }

  skill(name: string, version: number): Skill {
    const key = skillKey(name, version);
    let skill = this.#skills.get(key);
    if (skill === undefined) {
      skill = new Skill(name, version);
      this.#skills.set(key, skill);
    }
    return skill;
  }

  /** The worker with this id; created where absent, without credit until it registers. */
  worker(id: string, mailbox: string): Worker {
    let worker = this.workers.get(id);
    if (worker === undefined) {
      worker = new Worker(id, mailbox, ++this.#numbers);
      this.workers.set(id, worker);
    }
    return worker;
  }

  register(register: Register): Worker {
    const worker = this.worker(register.worker, register.mailbox);
    this.#leaveGroup(worker);
    worker.credit = register.credit;
    worker.labels = register.labels;
    worker.resources.offer(register.resources);
    this.#enterGroup(worker, this.#groupOf(register.tasks));
    return worker;
  }

  remove(worker: Worker): void {
    this.workers.delete(worker.id);
    this.#leaveGroup(worker);
  }

  /** To be called whenever a worker's credit, what uses it, what is reserved of it, or its willingness has changed. */
  loadChanged(worker: Worker): void {
    const isFree = worker.group !== null && worker.takesWork && worker.used < worker.credit;
    // Nobody has room who had none before.
    if (!isFree && !worker.isFree) return;
    if (isFree !== worker.isFree) {
      worker.isFree = isFree;
      this.#free += isFree ? 1 : -1;
    }
    for (const seat of worker.seats) seat.pool.refresh(seat);
  }

  /** Where the tasks of a line find workers: one pool of each group. */
  poolsOf(line: Line): readonly Pool<Worker>[] {
    if (line.poolsVersion === this.#version) return line.pools;
    const { skill, queue, requirement } = line;
    const ranking = PLACEMENTS[queue.record.placement];
    line.pools = skill.groups.map((group) => poolOf(group, requirement, ranking));
    line.poolsVersion = this.#version;
    return line.pools;
  }

  /** What is asked for again comes back when it is. */
  forgetPools(): void {
    this.#version++;
    for (const group of this.#groups.values()) group.pools.clear();
    for (const worker of this.workers.values()) worker.seats = [];
  }

  forgetUnused(): Skill[] {
    const gone: Skill[] = [];
    for (const [key, skill] of this.#skills) {
      if (skill.lines > 0 || skill.groups.length > 0 || skill.wasKnown) continue;
      this.#skills.delete(key);
      gone.push(skill);
    }
    return gone;
  }

  #groupOf(tasks: Register["tasks"]): Group {
    const keys = [...new Set(tasks.map(({ name, version }) => skillKey(name, version)))].sort();
    const key = keys.join("\n");
    let group = this.#groups.get(key);
    if (group === undefined) {
      const skills = [...new Set(tasks.map(({ name, version }) => this.skill(name, version)))];
      group = new Group(key, skills);
      this.#groups.set(key, group);
      this.#version++;
      for (const skill of skills) {
        skill.groups.push(group);
        skill.wasKnown = true;
      }
    }
    return group;
  }

  #enterGroup(worker: Worker, group: Group): void {
    worker.group = group;
    group.workers.add(worker);
    this.loadChanged(worker);
    for (const pools of group.pools.values()) for (const pool of pools.values()) takeSeat(worker, pool);
  }

  #leaveGroup(worker: Worker): void {
    const { group } = worker;
    if (group === null) return;
    worker.group = null;
    this.loadChanged(worker);
    for (const seat of worker.seats) seat.pool.leave(seat);
    worker.seats = [];
    group.workers.delete(worker);
    if (group.workers.size > 0) return;
    this.#groups.delete(group.key);
    this.#version++;
    for (const skill of group.skills) skill.groups.splice(skill.groups.indexOf(group), 1);
  }
}

/** The pool is made when somebody asks for it. */
function poolOf(group: Group, requirement: Requirement, ranking: Ranking): Pool<Worker> {
  let pools = group.pools.get(requirement);
  if (pools === undefined) {
    pools = new Map();
    group.pools.set(requirement, pools);
  }
  let pool = pools.get(ranking);
  if (pool === undefined) {
    pool = new Pool(requirement, ranking);
    pools.set(ranking, pool);
    for (const worker of group.workers) takeSeat(worker, pool);
  }
  return pool;
}

function takeSeat(worker: Worker, pool: Pool<Worker>): void {
  const seat = pool.seat(worker);
  if (seat !== null) worker.seats.push(seat);
}

function skillKey(name: string, version: number): string {
  return `${name}\n${version}`;
}
