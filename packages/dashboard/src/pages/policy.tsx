import type { JSX } from "preact";
import burstyTenants from "../../../../docs/img/bursty-tenants.svg?url";
import diurnal from "../../../../docs/img/diurnal.svg?url";
import graphs from "../../../../docs/img/graphs.svg?url";
import heavyTails from "../../../../docs/img/heavy-tails.svg?url";
import largeAndSmall from "../../../../docs/img/large-and-small.svg?url";
import oneThread from "../../../../docs/img/one-thread.svg?url";
import silentWorkers from "../../../../docs/img/silent-workers.svg?url";
import staleWork from "../../../../docs/img/stale-work.svg?url";
import stragglers from "../../../../docs/img/stragglers.svg?url";
import unequalMachines from "../../../../docs/img/unequal-machines.svg?url";
import unequalWorkers from "../../../../docs/img/unequal-workers.svg?url";
import warmCaches from "../../../../docs/img/warm-caches.svg?url";
import { duration } from "../format.ts";
import { queues, stats } from "../live.ts";
import { Command, Empty, Panel, QueueLink, Waiting } from "../parts/basics.tsx";
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
    says: "Many short tasks beside a few that take a hundred times as long. Shortest first cuts the mean slowdown to a quarter; deadlines that suit the lengths do the same, so that the two lines are one.",
  },
  {
    name: "Day and night",
    chart: diurnal,
    says: "Load is above what the workers can do for a part of each hour, and no order changes how long all wait together. It changes who waits: by arrival three quarters of the urgent tasks are late, by deadline none.",
  },
  {
    name: "Stale work",
    chart: staleWork,
    says: "Prices that nobody wants after five seconds, and now and then more than can be worked out. By arrival 60 % are late; with the latest first 11 %, those that are lost anyway. One time to live for all makes a deadline the order of arrival.",
  },
  {
    name: "Random graphs",
    chart: graphs,
    says: "When each of sixty graphs had ended as a whole. By critical path the first of them end sooner than by arrival, and the last ones no later; at random all take longer.",
  },
  {
    name: "A straggler",
    chart: stragglers,
    says: "Ten machines, one of which takes ten times as long and looks like the others. With second attempts one task in a hundred takes 2 s instead of 4 s; a few more are late by a little.",
  },
  {
    name: "Silent workers",
    chart: silentWorkers,
    says: "Twelve workers, each of which is cut off every forty seconds or so. With second attempts one task in a hundred takes 4.25 s or more instead of 10.2 s; what is done in vain rises from 0.4 % to 0.9 % of the slots' time.",
  },
  {
    name: "Unequal workers",
    chart: unequalWorkers,
    says: "Some machines are four times as fast, and all of them die now and then. The least loaded worker shortens most waits, an idle one first or the same one again lengthens them; the longest waits are shortest at random.",
  },
  {
    name: "One thread a worker",
    chart: oneThread,
    says: "Eight slots that share one thread. At random the mean wait is 325 ms, with two choices 141 ms, with an idle worker first 47 ms, with the least loaded one 35 ms.",
  },
  {
    name: "Warm caches",
    chart: warmCaches,
    says: "Forty models, of which a worker keeps six. Where a model's tasks stay together, three in a hundred wait instead of thirty, and fewer slots do the work.",
  },
  {
    name: "Unequal machines",
    chart: unequalMachines,
    says: "Small machines of two threads beside large ones of eight, with memory in proportion and slots for all. Spreading by memory waits 11 ms in the mean, the least loaded by slots 194 ms, at random 565 ms; packing is for other work.",
  },
  {
    name: "Large and small",
    chart: largeAndSmall,
    says: "One in sixty tasks needs a whole machine. At random, and more so when spread, small tasks are on all machines and a large one waits; packed, there is always a machine free, and nothing waits.",
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
  if (all.length === 0) {
    return (
      <Empty icon="queues" title="No queue yet" command="npx yardmaster queues apply ./queues.ts">
        A queue's declaration says its order and its placement.
      </Empty>
    );
  }
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
