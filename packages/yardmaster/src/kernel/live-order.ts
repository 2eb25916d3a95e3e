import type { TaskId } from "../protocol/task.ts";
import type { TurnoverMap } from "../protocol/turnover-map.ts";

interface Identified {
  readonly id: TaskId;
}

/** So many that have ended may be held beside as many as are live. */
const SLACK = 1_000;

/**
 * What is live in the order of ids, for whoever looks page by page. It costs nothing until the first look, and from then
 * on one push a task; what came since the last look is sorted at the next. It is given up when it holds twice what is
 * live, and made anew at the next look, so that its cost and what it keeps alive are a part of what comes and goes.
 */
export class LiveOrder<Task extends Identified> {
  readonly #tasks: TurnoverMap<TaskId, Task>;
  /** With tasks that have ended since; null while nobody looks. */
  #sorted: Task[] | null = null;
  /** What came since `#sorted` was made. */
  #fresh: Task[] = [];
  /** How much of `#fresh` is sorted. */
  #looked = 0;

  constructor(tasks: TurnoverMap<TaskId, Task>) {
    this.#tasks = tasks;
  }

  /** How many it holds, ended ones too. */
  get size(): number {
    return (this.#sorted?.length ?? 0) + this.#fresh.length;
  }

  add(task: Task): void {
    if (this.#sorted === null) return;
    this.#fresh.push(task);
    this.rest();
  }

  /** Gives it up where too much of it has ended; told now and then, as nothing may come for long. */
  rest(): void {
    if (this.size <= 2 * this.#tasks.size + SLACK) return;
    this.#sorted = null;
    this.#fresh = [];
    this.#looked = 0;
  }

  /** Those with greater ids than `after`, in order. */
  *from(after: string): Generator<Task> {
    const [sorted, fresh] = this.#inOrder();
    let [at, freshAt] = [firstAfter(sorted, after), firstAfter(fresh, after)];
    for (;;) {
      const [old, young] = [sorted[at], fresh[freshAt]];
      const isOld = young === undefined || (old !== undefined && old.id < young.id);
      const next = isOld ? old : young;
      if (next === undefined) return;
      if (isOld) at++;
      else freshAt++;
      if (this.#tasks.get(next.id) === next) yield next;
    }
  }

  #inOrder(): readonly [readonly Task[], readonly Task[]] {
    this.#sorted ??= Array.from(this.#tasks.values()).sort(byId);
    if (this.#looked < this.#fresh.length) {
      // Nearly in order already, as ids begin with the time: this takes hardly more than one look at each.
      this.#fresh.sort(byId);
      this.#looked = this.#fresh.length;
    }
    return [this.#sorted, this.#fresh];
  }
}

export function byId(a: Identified, b: Identified): number {
  return a.id < b.id ? -1 : 1;
}

function firstAfter(tasks: readonly Identified[], id: string): number {
  let [low, high] = [0, tasks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tasks[middle]?.id ?? "") > id) high = middle;
    else low = middle + 1;
  }
  return low;
}
