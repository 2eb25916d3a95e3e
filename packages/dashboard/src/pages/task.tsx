import type { JSX } from "preact";
import {
  type Explanation,
  type GraphStatus,
  ProblemError,
  type TaskChapter,
  type TaskStatus,
  type ValuesAnswer,
} from "yardmaster/http-client";
import { useAnswer } from "../answer.ts";
import { count } from "../format.ts";
import { ActionButton, attempt, confirmed } from "../parts/actions.tsx";
import {
  CopyButton,
  Empty,
  Panel,
  QueueLink,
  StateBadge,
  Time,
  Trouble,
  Waiting,
  WorkerLink,
} from "../parts/basics.tsx";
import { GraphDrawing } from "../parts/graph-drawing.tsx";
import { JsonValue } from "../parts/json-tree.tsx";
import { tookOf } from "../parts/task-table.tsx";
import { go } from "../router.ts";
import { client, mayAct } from "../session.ts";
import { isTerminalState } from "../states.ts";
import { useNews } from "../task-news.ts";
import { Logs } from "./task-logs.tsx";
import { Attempts, Story } from "./task-story.tsx";

const AGAIN_MS = 2_000;
const MAX_DRAWN = 150;

interface Told {
  readonly task: TaskStatus;
  readonly why: Explanation;
  readonly story: readonly TaskChapter[];
  /** Null for a task outside graphs. */
  readonly graph: GraphStatus | null;
  /** Null for who may not see them. */
  readonly values: ValuesAnswer | null;
}

async function told(id: string, signal: AbortSignal): Promise<Told> {
  const yard = client.value;
  const [task, why, story, graph, values] = await Promise.all([
    yard.status(id, { signal }),
    yard.explain(id, { signal }),
    yard.story(id, { signal }),
    graphOf(id, signal),
    mayAct.value ? yard.values(id, { signal }) : null,
  ]);
  return { task, why, story, graph, values };
}

async function graphOf(id: string, signal: AbortSignal): Promise<GraphStatus | null> {
  try {
    return await client.value.graph(id, { limit: MAX_DRAWN }, { signal });
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === "TASK_NOT_FOUND") return null;
    throw error;
  }
}

export function TaskPage({ id }: { readonly id: string }): JSX.Element {
  const news = useNews(id);
  const answer = useAnswer(id, (signal) => told(id, signal), {
    everyMs: news.isOver ? 0 : AGAIN_MS,
    occasion: news.changes,
  });
  const { value, trouble } = answer;
  if (value === null && trouble !== "") {
    return (
      <Panel title="No such task">
        <Empty icon="search" title={trouble} command={`npx yardmaster story ${id}`}>
          Records are kept for a day after success and for a week after failure, unless the definition says
          otherwise.
        </Empty>
      </Panel>
    );
  }
  if (value === null) return <Waiting rows={10} />;
  const { task, why, story, graph, values } = value;
  return (
    <div class="page task-page">
      <Head task={task} again={answer.again} progress={news.progress} />
      {trouble !== "" && <Trouble text={trouble} />}
      {!isTerminalState(task.state) && task.state !== "running" && <Why why={why} />}
      {task.error !== null && <Failure task={task} />}
      <div class="columns wide-left">
        <div class="stack">
          <Values values={values} state={task.state} />
          <Panel title="Logs" note="from now on, while this page is open">
            <Logs lines={news.lines} isOver={isTerminalState(task.state)} />
          </Panel>
        </div>
        <div class="stack">
          <Panel title="Story">
            <Story story={story} />
          </Panel>
          <Panel title="Attempts">
            <Attempts story={story} attempts={task.attempts} />
          </Panel>
        </div>
      </div>
      {graph !== null && (
        <Panel
          title="Graph"
          note={`one of ${count(graph.members)} tasks`}
          actions={<a href={`/graphs/${graph.id}`}>Open</a>}
        >
          <GraphDrawing nodes={graph.tasks} current={id} />
        </Panel>
      )}
    </div>
  );
}

function Head(props: {
  readonly task: TaskStatus;
  readonly again: () => void;
  readonly progress: { readonly fraction: number; readonly note: string } | null;
}): JSX.Element {
  const { task, again, progress } = props;
  return (
    <section class="panel task-head" aria-label="Task">
      <div class="task-title">
        <h2 title={task.name}>{task.name}</h2>
        <StateBadge state={task.state} code={task.code} />
        <span class="spacer" />
        <Actions task={task} again={again} />
      </div>
      <p class="task-id">
        <code>{task.id}</code>
        <CopyButton text={task.id} what="id" />
      </p>
      {progress !== null && !isTerminalState(task.state) && (
        <p class="progress">
          <progress value={progress.fraction} max={1} aria-label="Progress" />
          <span>
            {Math.round(progress.fraction * 100)} % {progress.note}
          </span>
        </p>
      )}
      <dl class="facts wide">
        <Of name="Queue">
          <QueueLink name={task.queue} />
        </Of>
        <Of name="Attempt">
          {task.attempt} of {task.attempts}
        </Of>
        <Of name="Priority">{task.priority}</Of>
        <Of name="Worker">
          <WorkerLink id={task.worker} />
        </Of>
        <Of name="Submitted">
          <Time at={task.submittedAt} />
        </Of>
        <Of name="Started">
          <Time at={task.startedAt} />
        </Of>
        <Of name="Ended">
          <Time at={task.finishedAt} />
        </Of>
        <Of name="Took">{tookOf(task)}</Of>
      </dl>
    </section>
  );
}

function Of({
  name,
  children,
}: {
  readonly name: string;
  readonly children: JSX.Element | string | number | readonly (string | number)[];
}): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Actions({
  task: { id, name, state },
  again,
}: {
  readonly task: TaskStatus;
  readonly again: () => void;
}): JSX.Element {
  if (isTerminalState(state)) {
    const retry = async (): Promise<void> => {
      let made = "";
      const isDone = await attempt("Submitted again, as a new task", async () => {
        made = (await client.value.retry(id)).id;
      });
      if (isDone) go(`/tasks/${made}`);
    };
    return (
      <ActionButton icon="retry" kind="primary" run={retry}>
        Retry
      </ActionButton>
    );
  }
  const cancel = async (): Promise<void> => {
    const isWanted = await confirmed(
      `Cancel ${name}?`,
      "It starts no more; where it runs, its worker is told to end it.",
      "Cancel it",
    );
    if (!isWanted) return;
    await attempt("Cancelled", () => client.value.cancel(id, "by the dashboard"));
    again();
  };
  return (
    <ActionButton icon="stop" kind="danger" run={cancel}>
      Cancel
    </ActionButton>
  );
}

function Why({ why }: { readonly why: Explanation }): JSX.Element {
  const ids = why.data["waitsFor"];
  return (
    <section class="panel why" aria-label="Why it is not running">
      <span class="reason">{why.reason.replaceAll("-", " ")}</span>
      <p>{why.sentence}</p>
      {Array.isArray(ids) && (
        <ul class="inline-list">
          {ids.map(String).map((id) => (
            <li key={id}>
              <a class="mono" href={`/tasks/${encodeURIComponent(id)}`}>
                {id}
              </a>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Failure({ task }: { readonly task: TaskStatus }): JSX.Element {
  const { error } = task;
  return (
    <section class="panel failure" aria-label="Error">
      <p class="failure-line">
        <b>{error?.code}</b> {error?.message}
      </p>
      {error?.stack !== undefined && error.stack !== "" && (
        <details>
          <summary>Stack</summary>
          <pre>{error.stack}</pre>
        </details>
      )}
    </section>
  );
}

function Values({
  values,
  state,
}: {
  readonly values: ValuesAnswer | null;
  readonly state: TaskStatus["state"];
}): JSX.Element {
  if (values === null) {
    return (
      <Panel title="Input and result">
        <Empty icon="alert" title="A viewer's token does not see values">
          An operator's does, with secrets taken out.
        </Empty>
      </Panel>
    );
  }
  return (
    <>
      <Panel title="Input">
        {values.input === null ? (
          <p class="none">It has none, or it is not JSON.</p>
        ) : (
          <JsonValue label="Input" {...values.input} />
        )}
      </Panel>
      <Panel title="Result">
        {values.result === null ? (
          <p class="none">{state === "succeeded" ? "It has none, or it is not JSON." : "There is none."}</p>
        ) : (
          <JsonValue label="Result" {...values.result} />
        )}
      </Panel>
    </>
  );
}
