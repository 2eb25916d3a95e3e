import type { TaskPage, TaskStatus, Yard } from "yardmaster";
import { sha256 } from "./sha256.ts";
import { digest } from "./tasks.ts";

const PAGE = 1_000;

/** What came of the run; `--json` prints it as it is. */
export interface Report {
  readonly submitted: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Submitted, and neither succeeded nor failed. */
  readonly lost: number;
  /** Succeeded with another digest than the plain computation. */
  readonly wrong: number;
  /** Attempts that were made again because a kill took the one before. */
  readonly repeatedAttempts: number;
  /** Attempts that ran when their dispatcher died and were answered under the next one, without being repeated. */
  readonly adoptedAttempts: number;
  readonly workersKilled: number;
  readonly dispatchersKilled: number;
  readonly tasksPerSecond: number;
}

/** The final records of these tasks. */
export async function recordsOf(yard: Yard, ids: ReadonlySet<string>): Promise<TaskStatus[]> {
  const records: TaskStatus[] = [];
  let cursor: string | null = null;
  do {
    const page: TaskPage = await yard.find({
      name: digest.name,
      limit: PAGE,
      ...(cursor === null ? {} : { cursor }),
    });
    records.push(...page.tasks.filter(({ id }) => ids.has(id)));
    cursor = page.cursor;
  } while (cursor !== null);
  return records;
}

export function repeatedAttempts(records: readonly TaskStatus[]): number {
  return records.reduce((sum, { attempt }) => sum + Math.max(0, attempt - 1), 0);
}

/** Attempts that started before `killedAt` and are answered after it: only the new owner can have recorded that. */
export function adoptedAttempts(records: readonly TaskStatus[], killedAt: number): number {
  const isBefore = (time: string | null): boolean => time !== null && Date.parse(time) < killedAt;
  return records.filter(({ startedAt, finishedAt }) => isBefore(startedAt) && !isBefore(finishedAt)).length;
}

/** How many digests differ from those that this process computes by itself, one file after the other. */
export async function countWrong(digests: ReadonlyMap<string, string>): Promise<number> {
  let wrong = 0;
  for (const [path, digested] of digests) if ((await sha256(path)) !== digested) wrong += 1;
  return wrong;
}

export function summary(report: Report): string {
  const { submitted, succeeded, failed, lost, wrong, tasksPerSecond } = report;
  return [
    `tasks               ${submitted}: ${succeeded} succeeded, ${failed} failed`,
    `tasks per second    ${tasksPerSecond}`,
    `killed              ${report.workersKilled} worker(s), ${report.dispatchersKilled} dispatcher(s)`,
    `repeated attempts   ${report.repeatedAttempts}, because their worker was killed`,
    `adopted attempts    ${report.adoptedAttempts}, running while their dispatcher was killed`,
    `lost                ${lost}`,
    `wrong               ${wrong}`,
  ].join("\n");
}

/** Why a run proves nothing, or disproves what it should show; none for a good one. */
export function complaints(report: Report): string[] {
  const { submitted, succeeded, lost, wrong, workersKilled, dispatchersKilled } = report;
  const checks: [ok: boolean, complaint: string][] = [
    [succeeded === submitted, `${submitted - succeeded} tasks did not succeed`],
    [lost === 0, `${lost} tasks were lost`],
    [wrong === 0, `${wrong} results are wrong`],
    [workersKilled > 0, "no worker had a task when one was to be killed"],
    [dispatchersKilled > 0, "no dispatcher was killed while it owned the shard"],
    [report.repeatedAttempts > 0, "no attempt of the killed worker was repeated"],
    [report.adoptedAttempts > 0, "no attempt was answered by the dispatcher that took over"],
  ];
  return checks.filter(([ok]) => !ok).map(([, complaint]) => complaint);
}
