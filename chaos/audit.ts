import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../packages/yardmaster/src/engine.ts";
import { isTerminal, type TaskId, type TaskRecord } from "../packages/yardmaster/src/protocol/task.ts";
import type { Fact } from "../packages/yardmaster/src/testing/fact.ts";
import { HistoryChecker, type Violation } from "../packages/yardmaster/src/testing/history.ts";
import { filesIn } from "./lines.ts";
import { merge } from "./merge.ts";
import { Recorder } from "./recorder.ts";
import { Restarts } from "./restarts.ts";
import { Timeline } from "./timeline.ts";
import { WallClock } from "./wall-clock.ts";

const PAGE = 500;

/** What a round's history says. */
export interface Findings {
  readonly facts: number;
  readonly acknowledged: number;
  readonly staleWritesRefused: number;
  /** Starts after a task's first that its handler did not ask for by failing. */
  readonly repeatedAttempts: number;
  /** How long each task of a lost worker waited for its next start, by the fault that took the worker. */
  readonly restartMs: Readonly<Record<string, readonly number[]>>;
  readonly violations: readonly Violation[];
  /** The whole history, one fact in JSON a line. */
  readonly file: string;
}

/**
 * Reads from the store what became of every task, merges what all processes saw into one history, and checks it.
 * `awaited` are the tasks whose handles still wait.
 */
export async function audit(
  folder: string,
  engine: Engine,
  slots: number,
  awaited: ReadonlySet<TaskId>,
): Promise<Findings> {
  const timeline = new Timeline();
  const submitted = new Set<TaskId>();
  const clock = new WallClock();
  for (const file of await filesIn(folder)) {
    await timeline.read(file, (line) => {
      if (line.type === "submitted") submitted.add(line.id);
      if (line.type === "clockSet") clock.observe(line);
    });
  }
  await timeline.settle((ids) => recordsOf(engine, ids));
  await readResults(engine, submitted, new Recorder(join(folder, "zz-store.jsonl")));
  const checker = new HistoryChecker({ slots });
  const restarts = new Restarts();
  const file = join(folder, "history.json-lines");
  const facts = await check(merge(await filesIn(folder), timeline), { checker, restarts, clock, file });
  await checkStrays(engine, checker);
  return {
    facts,
    acknowledged: submitted.size,
    staleWritesRefused: timeline.fenced,
    repeatedAttempts: restarts.repeated,
    restartMs: restarts.byFault,
    violations: checker.finish({ awaited }),
    file,
  };
}

/** Who looks at a history, and where it is kept. */
interface Watch {
  readonly checker: HistoryChecker;
  readonly restarts: Restarts;
  readonly clock: WallClock;
  readonly file: string;
}

async function check(facts: AsyncIterable<Fact>, { checker, restarts, clock, file }: Watch): Promise<number> {
  const out = createWriteStream(file);
  let count = 0;
  for await (const fact of facts) {
    const excused = fact.type === "submitting" ? clock.excuse(fact) : fact;
    count += 1;
    checker.observe(excused);
    restarts.observe(fact);
    if (!out.write(`${JSON.stringify(excused)}\n`)) await once(out, "drain");
  }
  out.end();
  await once(out, "close");
  return count;
}

/** What the store has of each submission in the end. */
async function readResults(engine: Engine, ids: ReadonlySet<TaskId>, recorder: Recorder): Promise<void> {
  for (const page of pagesOf([...ids])) {
    const { tasks } = await engine.store.read({ ids: page, bytes: true });
    for (const id of page) {
      const stored = tasks.get(id);
      if (stored === undefined || stored.task.aliasOf !== "") continue;
      const { state } = stored.task;
      if (isTerminal(state)) recorder.write({ type: "read", id, state, result: stored.result ?? "" });
    }
  }
}

/** Nothing ended that no commit recorded, and each as it was recorded. */
async function checkStrays(engine: Engine, checker: HistoryChecker): Promise<void> {
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: Awaited<ReturnType<Engine["store"]["find"]>> = await engine.store.find({
      states: ["succeeded", "failed", "cancelled", "expired"],
      limit: PAGE,
      ...(cursor === "" ? {} : { cursor }),
    });
    for (const { id, state } of page.tasks) {
      const recorded = checker.records.get(id);
      if (recorded?.state !== state)
        checker.report(
          "STORE_DISAGREES",
          `${id} is ${state} in the store and was ${recorded?.state ?? "never"}`,
        );
    }
    cursor = page.cursor;
  }
}

async function recordsOf(engine: Engine, ids: readonly TaskId[]): Promise<ReadonlyMap<TaskId, TaskRecord>> {
  const found = new Map<TaskId, TaskRecord>();
  for (const page of pagesOf(ids)) {
    const { tasks } = await engine.store.read({ ids: page });
    for (const [id, { task }] of tasks) found.set(id, task);
  }
  return found;
}

function* pagesOf<T>(all: readonly T[]): Generator<T[]> {
  for (let at = 0; at < all.length; at += PAGE) yield all.slice(at, at + PAGE);
}
