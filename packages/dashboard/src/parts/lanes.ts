import type { EndedAttempt, RunningAttempt, WorkerStatus } from "yardmaster/http-client";

/** The stream shows so much of the past. */
export const SPAN_MS = 30_000;

export interface Bar {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly attempt: number;
  readonly startedAt: number;
  /** Null while it runs. */
  readonly endedAt: number | null;
  readonly as: EndedAttempt["as"] | "running";
  /** Attempts that overlap are in rows of their own. */
  readonly row: number;
}

export interface Lane {
  readonly worker: string;
  readonly used: number;
  readonly credit: number;
  readonly rows: number;
  readonly bars: readonly Bar[];
}

type Attempt = Omit<Bar, "row"> & { readonly worker: string };

/** One lane for each worker: those that have gone keep theirs as long as anything of them is shown. */
export function lanesOf(
  workers: readonly WorkerStatus[],
  ended: readonly EndedAttempt[],
  running: readonly RunningAttempt[],
  mostRows: number,
): readonly Lane[] {
  const over = new Set(ended.map(({ id, attempt }) => `${id} ${attempt}`));
  const attempts: Attempt[] = [
    ...ended,
    ...running
      .filter(({ id, attempt }) => !over.has(`${id} ${attempt}`))
      .map((one) => ({ ...one, endedAt: null, as: "running" as const })),
  ];
  const byWorker = Map.groupBy(
    attempts.sort((a, b) => a.startedAt - b.startedAt),
    ({ worker }) => worker,
  );
  return workers.map(({ id, used, credit }) => {
    const { bars, rows } = packed(byWorker.get(id) ?? [], mostRows);
    return { worker: id, used, credit, rows, bars };
  });
}

/** Each attempt takes the first row that is free when it starts; what finds none goes over the last one. */
function packed(attempts: readonly Attempt[], mostRows: number): { bars: Bar[]; rows: number } {
  const freeFrom: number[] = [];
  const bars = attempts.map(({ worker: _, ...attempt }) => {
    const free = freeFrom.findIndex((at) => at <= attempt.startedAt);
    const row = free === -1 ? Math.min(freeFrom.length, mostRows - 1) : free;
    freeFrom[row] = attempt.endedAt ?? Number.POSITIVE_INFINITY;
    return { ...attempt, row };
  });
  return { bars, rows: Math.max(1, freeFrom.length) };
}
