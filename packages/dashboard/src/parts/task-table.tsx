import type { JSX } from "preact";
import type { TaskStatus } from "yardmaster/http-client";
import { duration, shortId } from "../format.ts";
import { QueueLink, StateBadge, Time, WorkerLink } from "./basics.tsx";

/** Tasks as rows; on a phone each row is a card. */
export function TaskTable({
  tasks,
  caption,
}: {
  readonly tasks: readonly TaskStatus[];
  readonly caption: string;
}): JSX.Element {
  return (
    <div class="table-wrap">
      <table class="table tasks">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">State</th>
            <th scope="col">Queue</th>
            <th scope="col" class="number">
              Attempt
            </th>
            <th scope="col">Worker</th>
            <th scope="col" class="number">
              Took
            </th>
            <th scope="col" class="number">
              Submitted
            </th>
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <Row key={task.id} task={task} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ task }: { readonly task: TaskStatus }): JSX.Element {
  return (
    <tr>
      <th scope="row" class="main-cell">
        <a href={`/tasks/${task.id}`} class="task-name" title={task.name}>
          {task.name}
        </a>
        <span class="sub">
          <span class="mono" title={task.id}>
            {shortId(task.id)}
          </span>
          {task.error !== null && <span class="error-line">{task.error.message}</span>}
        </span>
      </th>
      <td data-label="State">
        <StateBadge state={task.state} code={task.code} />
      </td>
      <td data-label="Queue">
        <QueueLink name={task.queue} />
      </td>
      <td data-label="Attempt" class="number">
        {task.attempt} <span class="faint">of {task.attempts}</span>
      </td>
      <td data-label="Worker">
        <WorkerLink id={task.worker} />
      </td>
      <td data-label="Took" class="number">
        {tookOf(task)}
      </td>
      <td data-label="Submitted" class="number">
        <Time at={task.submittedAt} />
      </td>
    </tr>
  );
}

export function tookOf({ startedAt, finishedAt }: TaskStatus): string {
  if (startedAt === null || finishedAt === null) return "–";
  return duration(Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)));
}
