import type { JSX } from "preact";
import burstyTenants from "../../../../docs/img/bursty-tenants.svg?url";
import diurnal from "../../../../docs/img/diurnal.svg?url";
import heavyTails from "../../../../docs/img/heavy-tails.svg?url";
import unequalWorkers from "../../../../docs/img/unequal-workers.svg?url";
import { duration } from "../format.ts";
import { queues, stats } from "../live.ts";
import { Command, Panel, QueueLink, Waiting } from "../parts/basics.tsx";
import { flows } from "../samples.ts";

interface Scenario {
  readonly name: string;
  readonly chart: string;
  readonly says: string;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "Bursty tenants",
    chart: burstyTenants,
    says: "Ten tenants share twenty slots, and one sends 300 tasks at a time. In order of arrival everybody waits for its backlog; a fair order lets the others pass, and the burst waits for itself.",
  },
  {
    name: "Heavy tails",
    chart: heavyTails,
    says: "Many short tasks beside a few that take a hundred times as long. Shortest first cuts the mean slowdown to a quarter; deadlines that suit the lengths do the same.",
  },
  {
    name: "Day and night",
    chart: diurnal,
    says: "Load is above what the workers can do for a part of each hour. By deadline none of the urgent tasks is late, by arrival three quarters are.",
  },
  {
    name: "Unequal workers",
    chart: unequalWorkers,
    says: "Some machines are four times as fast, and all of them die now and then. Choose a placement for what it is made for: it hardly moves these waits.",
  },
];

/** What the laboratory says of orders and placements, beside those that this yard has. */
export function PolicyPage(): JSX.Element {
  return (
    <div class="page">
      <Panel title="In this yard" note="orders and placements, and the waits that came of them of late">
        <Here />
      </Panel>
      <div class="columns">
        {SCENARIOS.map(({ name, chart, says }) => (
          <Panel key={name} title={name}>
            <figure class="lab">
              <img src={chart} alt={`Waits by policy: ${name}`} width={760} height={380} loading="lazy" />
              <figcaption>{says}</figcaption>
            </figure>
          </Panel>
        ))}
      </div>
      <Panel title="Try your own">
        <p class="none">
          A scenario is a file of arrivals, durations, workers and policies. The laboratory runs it through
          the very kernel that dispatches here, in simulated time.
        </p>
        <Command text="npx yardmaster simulate ./scenario.yaml" />
      </Panel>
    </div>
  );
}

function Here(): JSX.Element {
  const all = queues.value;
  if (all === null) return <Waiting rows={3} />;
  return (
    <div class="table-wrap">
      <table class="table compact">
        <thead>
          <tr>
            <th scope="col">Queue</th>
            <th scope="col">Order</th>
            <th scope="col">Placement</th>
            <th scope="col" class="number">
              Wait p50
            </th>
            <th scope="col" class="number">
              p95
            </th>
            <th scope="col" class="number">
              p99
            </th>
            <th scope="col" class="number">
              Mean run
            </th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ name, order, placement }) => {
            const wait = flows.value.get(name)?.wait ?? null;
            return (
              <tr key={name}>
                <th scope="row">
                  <QueueLink name={name} />
                </th>
                <td data-label="Order">{order}</td>
                <td data-label="Placement">{placement}</td>
                <td class="number" data-label="Wait p50">
                  {wait === null ? "–" : duration(wait.p50)}
                </td>
                <td class="number" data-label="Wait p95">
                  {wait === null ? "–" : duration(wait.p95)}
                </td>
                <td class="number" data-label="Wait p99">
                  {wait === null ? "–" : duration(wait.p99)}
                </td>
                <td class="number" data-label="Mean run">
                  {meanRun(name)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function meanRun(queue: string): string {
  const run = stats.value?.queues.find((one) => one.queue === queue)?.run;
  const total = run?.counts.reduce((sum, value) => sum + value, 0) ?? 0;
  return run === undefined || total === 0 ? "–" : duration(run.sumMs / total);
}
