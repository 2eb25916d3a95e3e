import { DEFAULT_SETTINGS, isTerminal, type TaskId, type TaskRecord } from "../protocol/task.ts";
import { TRACE_VERSION, type TraceHeader, type TraceTask, traceTaskOf } from "../protocol/yard-trace.ts";
import type { Directory } from "./directory.ts";
import { checkFilter } from "./filters.ts";
import type { Switchboard } from "./switchboard.ts";

/** Which tasks a trace has: those submitted at or after, and before; milliseconds since the Unix epoch. */
export interface TraceFilter {
  readonly from?: number;
  readonly to?: number;
}

const PAGE = 1_000;
/** One read of the store asks for so many records. */
const MAX_READ_TASKS = 200;

/** First how the yard is, then its unfinished tasks, as its dispatchers list them, then those in the store; each once. */
export async function* traceOf(
  directory: Directory,
  switchboard: Switchboard,
  filter: TraceFilter,
): AsyncGenerator<TraceHeader | TraceTask, void, undefined> {
  checkFilter(filter);
  yield await headerOf(directory, switchboard.host.now());
  const told = new Set<TaskId>();
  for await (const record of unfinished(directory, switchboard, filter)) {
    told.add(record.id);
    yield traceTaskOf(record);
  }
  for await (const record of stored(switchboard, filter)) if (!told.has(record.id)) yield traceTaskOf(record);
}

async function headerOf(directory: Directory, at: number): Promise<TraceHeader> {
  const [queues, workers] = await Promise.all([directory.queues(), directory.workers()]);
  return {
    yardmaster: "trace",
    version: TRACE_VERSION,
    at,
    queues: queues.map(({ name, order, placement, settings = DEFAULT_SETTINGS }) => {
      const { weight, precedence, agingMs, concurrency, rate, admission } = settings;
      return { name, order, placement, weight, precedence, agingMs, concurrency, rate, admission };
    }),
    workers: workers.map(({ id, credit, labels, resources, tasks }) => {
      return { id, slots: credit, labels, resources, tasks };
    }),
  };
}

/** The record says what the list does not, and the list where the task is by now. */
async function* unfinished(
  directory: Directory,
  { engine }: Switchboard,
  { from = 0, to = Number.POSITIVE_INFINITY }: TraceFilter,
): AsyncGenerator<TaskRecord, void, undefined> {
  for (let after: TaskId | undefined; ; ) {
    const page = await directory.list({
      unfinished: true,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    for (let start = 0; start < page.length; start += MAX_READ_TASKS) {
      const some = page.slice(start, start + MAX_READ_TASKS);
      const { tasks } = await engine.store.read({ ids: some.map(({ id }) => id) });
      for (const { id, state, attempt, worker, startedAt } of some) {
        const record = tasks.get(id)?.task;
        if (record === undefined || record.submittedAt < from || record.submittedAt >= to) continue;
        if (isTerminal(record.state)) yield record;
        else yield { ...record, state, attempt, worker: worker ?? "", startedAt: millisOf(startedAt) };
      }
    }
    after = page.at(-1)?.id;
    if (page.length < PAGE) return;
  }
}

async function* stored(
  switchboard: Switchboard,
  filter: TraceFilter,
): AsyncGenerator<TaskRecord, void, undefined> {
  const { from, to } = filter;
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  for (let cursor: string | null | undefined; cursor !== null; ) {
    switchboard.throwIfClosed();
    const page = await switchboard.engine.store.find({
      ...range,
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    // A duplicate's id has a record that only leads to the first task's.
    for (const record of page.tasks) if (record.aliasOf === "") yield record;
    cursor = page.cursor;
  }
}

function millisOf(iso: string | null): number {
  // biome-ignore lint/style/noRestrictedGlobals: it reads a time that was given and no clock.
  return iso === null ? 0 : Date.parse(iso);
}
