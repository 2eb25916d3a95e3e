import type { JSX } from "preact";
import type { GraphSummary } from "yardmaster/http-client";
import { count } from "../format.ts";
import { graphs, useTopic } from "../live.ts";
import { Empty, Meter, Panel, Time, Waiting } from "../parts/basics.tsx";

export function GraphsPage(): JSX.Element {
  useTopic("graphs");
  const all = graphs.value;
  if (all === null) return <Waiting rows={6} />;
  return (
    <div class="page">
      <Panel title="Graphs" note="those under way and the last that ended, newest first">
        {all.length === 0 ? (
          <Empty icon="graphs" title="No graph yet" command="npx yardmaster graph list">
            A program submits a plan of tasks that belong together with{" "}
            <code>yard.submitGraph(chain(…))</code>; here and in a terminal it is seen as it goes on.
          </Empty>
        ) : (
          <Rows all={all} />
        )}
      </Panel>
    </div>
  );
}

function Rows({ all }: { readonly all: readonly GraphSummary[] }): JSX.Element {
  return (
    <div class="table-wrap">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Graph</th>
            <th scope="col">Ended</th>
            <th scope="col" class="number">
              Tasks
            </th>
            <th scope="col" class="number">
              Not succeeded
            </th>
            <th scope="col" class="number">
              Since
            </th>
          </tr>
        </thead>
        <tbody>
          {all.map((graph) => (
            <tr key={graph.id}>
              <th scope="row">
                <a class="mono" href={`/graphs/${graph.id}`}>
                  {graph.id}
                </a>{" "}
                {graph.cancelled ? (
                  <span class="tag warn">cancelled</span>
                ) : (
                  graph.state === "ended" && <span class="tag good">ended</span>
                )}
                {graph.arrived < graph.members && (
                  <span class="tag">
                    {count(graph.arrived)} of {count(graph.members)} have arrived
                  </span>
                )}
              </th>
              <td data-label="Ended" class="bar-cell">
                <Meter value={graph.ended} most={graph.members} label="Tasks that have ended" />
              </td>
              <td class="number" data-label="Tasks">
                {count(graph.ended)} <span class="faint">of {count(graph.members)}</span>
              </td>
              <td class="number" data-label="Not succeeded">
                {graph.failed === null ? (
                  "–"
                ) : graph.failed === 0 ? (
                  <span class="faint">0</span>
                ) : (
                  count(graph.failed)
                )}
              </td>
              <td class="number" data-label="Since">
                <Time at={graph.openedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
