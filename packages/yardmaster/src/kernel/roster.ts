import type { Register } from "../protocol/envelope.ts";
import { Heap } from "./heap.ts";
import { Group, Skill, Worker } from "./live.ts";
import { isLessLoaded, usedCredit } from "./placement.ts";

/** Who can run what, and who has free credit. */
export class Roster {
  readonly workers: Map<string, Worker> = new Map();
  readonly #skills = new Map<string, Skill>();
  readonly #groups = new Map<string, Group>();
  #numbers = 0;
  #free = 0;

  get skills(): Iterable<Skill> {
    return this.#skills.values();
  }

  get groups(): readonly Group[] {
    return [...this.#groups.values()];
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
    worker.credit = register.credit;
    worker.labels = register.labels;
    const group = this.#groupOf(register.tasks);
    if (worker.group !== group) {
      this.#leaveGroup(worker);
      worker.group = group;
      group.workers++;
    }
    this.loadChanged(worker);
    return worker;
  }

  remove(worker: Worker): void {
    this.workers.delete(worker.id);
    this.#leaveGroup(worker);
  }

  /** To be called whenever a worker's credit, what uses it, or its willingness has changed. */
  loadChanged(worker: Worker): void {
    const { group } = worker;
    if (group === null) return;
    const isFree = worker.takesWork && usedCredit(worker) < worker.credit;
    if (isFree && worker.slot !== -1) group.pool.moved(worker);
    else if (isFree) this.#enterPool(group, worker);
    else if (worker.slot !== -1) this.#leavePool(group, worker);
  }

  /** The groups that a task goes to: those that know it, or all when it has waited in vain for one that does. */
  candidates(skill: Skill): readonly Group[] {
    return skill.stranded ? this.groups : skill.groups;
  }

  hasFree(skill: Skill): boolean {
    if (skill.stranded) return this.#free > 0;
    for (const group of skill.groups) if (group.pool.size > 0) return true;
    return false;
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
      group = new Group(key, skills, new Heap(isLessLoaded));
      this.#groups.set(key, group);
      for (const skill of skills) {
        skill.groups.push(group);
        skill.wasKnown = true;
      }
    }
    return group;
  }

  #leaveGroup(worker: Worker): void {
    const { group } = worker;
    if (group === null) return;
    if (worker.slot !== -1) this.#leavePool(group, worker);
    worker.group = null;
    group.workers--;
    if (group.workers > 0) return;
    this.#groups.delete(group.key);
    for (const skill of group.skills) skill.groups.splice(skill.groups.indexOf(group), 1);
  }

  #enterPool(group: Group, worker: Worker): void {
    group.pool.push(worker);
    this.#free++;
  }

  #leavePool(group: Group, worker: Worker): void {
    group.pool.remove(worker);
    this.#free--;
  }
}

function skillKey(name: string, version: number): string {
  return `${name}\n${version}`;
}
