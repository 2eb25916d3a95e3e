import type { JSX } from "preact";
import { useAnswer } from "../answer.ts";
import { count } from "../format.ts";
import { ActionButton, attempt, confirmed } from "../parts/actions.tsx";
import { Empty, Meter, Panel, Trouble, Waiting } from "../parts/basics.tsx";
import { GraphDrawing } from "../parts/graph-drawing.tsx";
import { TaskTable } from "../parts/task-table.tsx";
import { client } from "../session.ts";
import { isTerminalState } from "../states.ts";

const AGAIN_MS = 2_000;
const MAX_DRAWN = 150;

/** A graph, or what hangs together with a task. */
export function Graph({ id }: { readonly id: string }): JSX.Element {
  const { value, trouble, again } = useAnswer(id, (signal) => client.value.graph(id, { signal }), {
    everyMs: AGAIN_MS,
  });
  if (value === null && trouble !== "") {
    return (
      <Panel title="No such graph">
        <Empty icon="graphs" title={trouble}>
          A graph is known by its id until it has ended; after that each of its tasks still shows what it
          waited for.
        </Empty>
      </Panel>
    );
  }
  if (value === null) return <Waiting rows={8} />;
  const { graph, nodes, isCut } = value;
  const ended = graph?.ended ?? nodes.filter(({ state }) => isTerminalState(state)).length;
  const members = graph?.members ?? nodes.length;
  const cancel = async (): Promise<void> => {
    const isWanted = await confirmed("Cancel the graph?", "Ends whatever of it has not ended.", "Cancel it");
    if (!isWanted) return;
    await attempt("The graph is cancelled", () => client.value.cancelGraph(id, "by the dashboard"));
    again();
  };
  return (
    <div class="page">
      {trouble !== "" && <Trouble text={trouble} />}
      <Panel
        title="Graph"
        note={`${count(ended)} of ${count(members)} tasks have ended`}
        actions={
          graph !== null && graph.id === id ? (
            <ActionButton icon="stop" kind="danger" run={cancel}>
              Cancel
            </ActionButton>
          ) : undefined
        }
      >
        <p class="task-id">
          <code>{graph?.id ?? id}</code>
        </p>
        <Meter value={ended} most={members} label="Tasks that have ended" />
        <GraphDrawing nodes={nodes.slice(0, MAX_DRAWN)} current={id} />
        {(isCut || nodes.length > MAX_DRAWN) && (
          <p class="note">It is larger than anybody can draw: a part is shown.</p>
        )}
      </Panel>
      <Panel title="Its tasks">
        <TaskTable tasks={nodes} caption="Tasks of the graph" />
      </Panel>
    </div>
  );
}
