import type { JSX } from "preact";
import { useAnswer } from "../answer.ts";
import { count } from "../format.ts";
import { ActionButton, attempt, confirmed } from "../parts/actions.tsx";
import { Empty, Meter, Panel, Trouble, Waiting } from "../parts/basics.tsx";
import { GraphDrawing } from "../parts/graph-drawing.tsx";
import { TaskTable } from "../parts/task-table.tsx";
import { client } from "../session.ts";

const AGAIN_MS = 2_000;
const MAX_DRAWN = 150;

/** A graph, by its own id or that of one of its tasks. */
export function Graph({ id }: { readonly id: string }): JSX.Element {
  const { value, trouble, again } = useAnswer(
    id,
    (signal) => client.value.graph(id, { limit: MAX_DRAWN }, { signal }),
    { everyMs: AGAIN_MS },
  );
  if (value === null && trouble !== "") {
    return (
      <Panel title="No such graph">
        <Empty icon="graphs" title={trouble} command="npx yardmaster graph list">
          A graph is known as long as the records of its tasks are kept.
        </Empty>
      </Panel>
    );
  }
  if (value === null) return <Waiting rows={8} />;
  const { tasks, ended, members, state, next } = value;
  const cancel = async (): Promise<void> => {
    const isWanted = await confirmed("Cancel the graph?", "Ends whatever of it has not ended.", "Cancel it");
    if (!isWanted) return;
    const body = { reason: "by the dashboard" };
    await attempt("The graph is cancelled", () => client.value.cancelGraph(value.id, body));
    again();
  };
  return (
    <div class="page">
      {trouble !== "" && <Trouble text={trouble} />}
      <Panel
        title={`Graph, ${value.cancelled ? "cancelled" : state}`}
        note={`${count(ended)} of ${count(members)} tasks have ended`}
        actions={
          state === "ended" ? undefined : (
            <ActionButton icon="stop" kind="danger" run={cancel}>
              Cancel
            </ActionButton>
          )
        }
      >
        <p class="task-id">
          <code>{value.id}</code>
        </p>
        <Meter value={ended} most={members} label="Tasks that have ended" />
        <GraphDrawing nodes={tasks} current={id} />
        {next !== null && (
          <p class="note">
            It is larger than anybody can draw: its first {count(tasks.length)} tasks are shown.
          </p>
        )}
      </Panel>
      <Panel title="Its tasks">
        <TaskTable tasks={tasks} caption="Tasks of the graph" />
      </Panel>
    </div>
  );
}
