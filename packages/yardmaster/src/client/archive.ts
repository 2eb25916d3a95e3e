import type { StoredAnswer, StoredSearch } from "../protocol/envelope.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { isTaskId } from "../protocol/ids.ts";
import { isTerminal, type Millis, STATES, type TaskId, type TaskRecord } from "../protocol/task.ts";
import { type FindFilter, MOST_LOOKED_AT, matches } from "../stores/store.ts";
import { checkFilter, type TaskFilter, type TaskPage } from "./filters.ts";
import { checkLimit } from "./limit.ts";
import type { Switchboard } from "./switchboard.ts";
import { statusOfRecord, type TaskStatus } from "./task-status.ts";

/** What the store looks at before dispatchers are asked: where most tasks fit, a page is full by then. */
const FIRST_LOOK = 200;
/** How long a question waits for a dispatcher, where the store has an answer that only takes longer. */
const ANSWER_MS = 2_000;
/** Dispatchers that did not answer, or could not, are not asked again for this long. */
const SILENCE_MS = 10_000;

interface Page {
  readonly tasks: readonly TaskRecord[];
  readonly cursor: string | null;
  /** About how many records were looked at, or might have been. */
  readonly looked: number;
}

type Search = FindFilter & { readonly most: number };

/**
 * Looks for tasks that only the store has: those that have ended, and parked ones. What is rare among many is asked of
 * the shards' owners, which keep an index of them in memory; where that is not complete, the store is walked.
 */
export class Archive {
  private readonly switchboard: Switchboard;
  private silentUntil = 0;

  constructor(switchboard: Switchboard) {
    this.switchboard = switchboard;
  }

  /** A page may be short. */
  async find(filter: TaskFilter): Promise<TaskPage> {
    this.switchboard.throwIfClosed();
    checkFilter(filter);
    const { tasks, cursor } = await this.page({
      ...filter,
      limit: checkLimit(filter.limit),
      most: MOST_LOOKED_AT,
    });
    return { tasks: tasks.filter(isOwn).map(statusOfRecord), cursor };
  }

  /** The newest; fewer than `limit` where there are no more, or where about 20,000 records were looked at. */
  async list({ limit, ...of }: TaskFilter & { readonly limit: number }): Promise<TaskStatus[]> {
    this.switchboard.throwIfClosed();
    const found: TaskRecord[] = [];
    let most = MOST_LOOKED_AT;
    for (let cursor: string | null | undefined; found.length < limit && cursor !== null && most > 0; ) {
      const from = cursor === undefined ? {} : { cursor };
      const page = await this.page({ ...of, ...from, limit: limit - found.length, most });
      found.push(...page.tasks.filter(isOwn));
      cursor = page.cursor;
      most -= page.looked;
    }
    return found.map(statusOfRecord);
  }

  private async page(filter: Search): Promise<Page> {
    // A cursor that is no id is the store's to understand.
    if (filter.cursor !== undefined && !isTaskId(filter.cursor)) return this.walk(filter);
    // Hardly ever is anything parked, and owners know at once.
    const isOfEnds = filter.states === undefined || filter.states.some(isTerminal);
    const first = isOfEnds
      ? await this.walk({ ...filter, most: Math.max(FIRST_LOOK, filter.limit) })
      : NOTHING_YET;
    const left = filter.limit - first.tasks.length;
    if (left === 0 || first.cursor === null) return first;
    const cursor = first.cursor === "" ? filter.cursor : first.cursor;
    const next = await this.indexed({
      ...filter,
      ...(cursor === undefined ? {} : { cursor }),
      limit: left,
      most: Math.max(FIRST_LOOK, filter.most - first.looked),
    });
    return {
      tasks: [...first.tasks, ...next.tasks],
      cursor: next.cursor,
      looked: first.looked + next.looked,
    };
  }

  private async walk(filter: Search): Promise<Page> {
    return { ...(await this.switchboard.engine.store.find(filter)), looked: filter.most };
  }

  private async indexed(filter: Search): Promise<Page> {
    const answers = await this.askOwners(filter);
    if (answers === null) return this.walk(filter);
    const { ids, floor } = together(answers, filter.limit);
    const { tasks } = ids.length === 0 ? NONE_READ : await this.switchboard.engine.store.read({ ids });
    const records = ids.flatMap((id) => tasks.get(id)?.task ?? []).filter((task) => matches(task, filter));
    // Hardly any may fit: a question counts for as much as a look, so that there is an end to them.
    const looked = Math.max(FIRST_LOOK, ids.length);
    const known = { tasks: records, looked };
    if (ids.length === filter.limit) return { ...known, cursor: ids.at(-1) ?? null };
    if (floor === "") return { ...known, cursor: null };
    const below = filter.cursor !== undefined && filter.cursor < floor ? filter.cursor : floor;
    const rest = await this.walk({ ...filter, limit: filter.limit - records.length, cursor: below });
    return { tasks: [...records, ...rest.tasks], cursor: rest.cursor, looked: looked + rest.looked };
  }

  /** Null where one does not answer in time, or is of a release that has no index. */
  private async askOwners(filter: FindFilter): Promise<readonly Bounded[] | null> {
    const { engine, requests, host } = this.switchboard;
    if (host.monotonic() < this.silentUntil) return null;
    const stored = searchOf(filter);
    // Owners that do not know what `stored` means take it for a question about live tasks, of which none has ended.
    const query = { type: "list", state: "succeeded", limit: 1, stored } as const;
    try {
      const answers = await Promise.all(
        Array.from({ length: engine.shards }, (_, shard) =>
          requests.ask(shard, "query list", (request) => ({ type: "query", request, query }), ANSWER_MS),
        ),
      );
      // What an owner of this release answers.
      if (!answers.some(Array.isArray))
        return (answers as StoredAnswer[]).map((answer) => bounded(answer, stored));
    } catch (error) {
      this.switchboard.throwIfClosed();
      if (!(error instanceof YardmasterError)) throw error;
      // What no frame has room for was never asked.
      if (isCode(error, "INVALID_FRAME")) return null;
    }
    this.silentUntil = host.monotonic() + SILENCE_MS;
    return null;
  }
}

const NOTHING_YET: Page = { tasks: [], cursor: "", looked: 0 };
const NONE_READ = { tasks: new Map<TaskId, { readonly task: TaskRecord }>() };

/** Ids of a shard, of which it has no others from `floor` on upwards. */
interface Bounded {
  readonly ids: readonly TaskId[];
  readonly floor: TaskId;
}

function bounded({ ids, horizon }: StoredAnswer, { limit }: StoredSearch): Bounded {
  return { ids, floor: ids.length < limit ? horizon : (ids.at(-1) ?? horizon) };
}

/** Of all shards together only what is not older than the highest floor counts: below it one of them may have more. */
function together(answers: readonly Bounded[], limit: number): { ids: TaskId[]; floor: TaskId } {
  const floor = answers.reduce((highest, one) => (one.floor > highest ? one.floor : highest), "");
  const known = answers.flatMap(({ ids }) => ids).filter((id) => id >= floor);
  known.sort((a, b) => (a < b ? 1 : -1));
  return { ids: known.slice(0, limit), floor };
}

/** Whole numbers, as they travel; records are looked at again. */
function searchOf({ states, queue, name, from, to, cursor, limit }: FindFilter): StoredSearch {
  return {
    states: states ?? STATES,
    ...(queue === undefined ? {} : { queue }),
    ...(name === undefined ? {} : { name }),
    ...(from === undefined ? {} : { from: inRange(Math.floor(from)) }),
    ...(to === undefined ? {} : { to: inRange(Math.ceil(to)) }),
    ...(cursor === undefined ? {} : { before: cursor }),
    limit,
  };
}

function inRange(at: Millis): Millis {
  return Math.min(Math.max(0, at), Number.MAX_SAFE_INTEGER);
}

/** A duplicate's id has a record that only leads to the first task's. */
function isOwn({ aliasOf }: TaskRecord): boolean {
  return aliasOf === "";
}
