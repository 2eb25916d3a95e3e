import type { JSX } from "preact";
import type { TaskChapter } from "yardmaster/http-client";
import { duration } from "../format.ts";
import { StateBadge, Time, WorkerLink } from "../parts/basics.tsx";

/** Everything that happened, in order, and how long each part took. */
export function Story({ story }: { readonly story: readonly TaskChapter[] }): JSX.Element {
  return (
    <ol class="story">
      {story.map((chapter, index) => (
        <li key={`${index} ${chapter.state}`} class={`state-${chapter.state}`}>
          <span class="story-dot" />
          <div>
            <p class="story-head">
              <b>{headOf(chapter)}</b> <Time at={chapter.at} />
            </p>
            <p class="story-text">
              {chapter.worker !== null && (
                <span>
                  on <WorkerLink id={chapter.worker} />
                </span>
              )}
              {chapter.code !== null && <code>{chapter.code}</code>}
              {chapter.message !== null && <span>{chapter.message}</span>}
              {chapter.until !== null && (
                <span>
                  until <Time at={chapter.until} />
                </span>
              )}
            </p>
            <p class="story-gap faint">{gapOf(chapter, story[index + 1])}</p>
          </div>
        </li>
      ))}
    </ol>
  );
}

function headOf({ state, attempt }: TaskChapter): string {
  if (state === "running") return `running, attempt ${attempt}`;
  return state;
}

function gapOf({ at }: TaskChapter, next: TaskChapter | undefined): string {
  if (at === null || next === undefined || next.at === null) return "";
  return `+ ${duration(Math.max(0, Date.parse(next.at) - Date.parse(at)))}`;
}

interface AttemptRow {
  readonly attempt: number;
  readonly worker: string | null;
  readonly startedAt: string | null;
  readonly end: TaskChapter | null;
}

/** Each attempt with its worker, how long it took and what became of it. */
export function Attempts({
  story,
  attempts,
}: {
  readonly story: readonly TaskChapter[];
  readonly attempts: number;
}): JSX.Element {
  const rows = attemptsOf(story);
  if (rows.length === 0) return <p class="none">None yet; {attempts} may be made.</p>;
  return (
    <div class="table-wrap">
      <table class="table compact">
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">Worker</th>
            <th scope="col">Came to</th>
            <th scope="col" class="number">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ attempt, worker, startedAt, end }) => (
            <tr key={attempt}>
              <th scope="row">{attempt}</th>
              <td data-label="Worker">
                <WorkerLink id={worker} />
              </td>
              <td data-label="Came to">
                {end === null ? (
                  <StateBadge state="running" />
                ) : (
                  <span class="attempt-end">
                    <StateBadge state={isWaiting(end) ? "retried" : end.state} code={end.code} />
                    {end.message !== null && <span class="error-line">{end.message}</span>}
                  </span>
                )}
              </td>
              <td class="number" data-label="Took">
                {startedAt === null || end?.at === undefined || end.at === null
                  ? "–"
                  : duration(Math.max(0, Date.parse(end.at) - Date.parse(startedAt)))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function isWaiting({ state }: TaskChapter): boolean {
  return state === "scheduled" || state === "ready";
}

function attemptsOf(story: readonly TaskChapter[]): AttemptRow[] {
  return story.flatMap((chapter, index) => {
    if (chapter.state !== "running" && chapter.state !== "assigned") return [];
    const { attempt, worker, at } = chapter;
    return [{ attempt, worker, startedAt: at, end: story[index + 1] ?? null }];
  });
}
