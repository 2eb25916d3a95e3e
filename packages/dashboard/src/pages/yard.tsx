import type { ComponentChildren, JSX } from "preact";
import type { WaitingHead } from "yardmaster/http-client";
import { now } from "../clock.ts";
import { count, duration, plural, rate } from "../format.ts";
import { ends, heads, isTold, queues, readyTasks, stats, workers } from "../live.ts";
import {
  Elapsed,
  Empty,
  Meter,
  Panel,
  QueueLink,
  StateBadge,
  TaskLink,
  Time,
  Waiting,
} from "../parts/basics.tsx";
import { Chart, type Series, Spark } from "../parts/chart.tsx";
import { TaskStream } from "../parts/task-stream.tsx";
import { flows, type Percentiles, type Sample, samples } from "../samples.ts";

/** What is ready starts within moments, unless something is in its way. */
const STUCK_MS = 3_000;
const SHOWN_ENDS = 12;
const MIN_SPAN_MS = 60_000;
const MAX_SPAN_MS = 5 * 60_000;
const SPARK_SAMPLES = 60;

export function YardPage(): JSX.Element {
  if (!isTold.value) return <Waiting rows={12} />;
  return (
    <div class="page yard">
      <Figures />
      <Stuck />
      <Panel title="Task stream" note="each bar an attempt, each lane a worker" class="stream-panel">
        <Stream />
      </Panel>
      <div class="columns">
        <Panel title="Throughput" note="ends a second">
          <Throughput />
        </Panel>
        <Panel title="Wait" note="from ready to started, of the last 10 s">
          <Latency label="Wait" field="wait" />
        </Panel>
        <Panel title="Run" note="attempts that succeeded, of the last 10 s">
          <Latency label="Run" field="run" />
        </Panel>
        <Panel title="End to end" note="from accepted to succeeded, of the last 10 s">
          <Latency label="End to end" field="total" />
        </Panel>
      </div>
      <div class="columns wide-left">
        <Panel title="Queues" actions={<a href="/queues">All queues</a>}>
          <QueueRows />
        </Panel>
        <Panel title="Latest ends">
          <LatestEnds />
        </Panel>
      </div>
    </div>
  );
}

function Figures(): JSX.Element {
  const all = samples.value;
  const recent = all.slice(-SPARK_SAMPLES);
  const ready = readyTasks.value;
  const slots = stats.value?.slots ?? 0;
  const used = stats.value?.used ?? 0;
  const backlogMs = stats.value?.queues.reduce((sum, one) => sum + one.backlogMs, 0) ?? 0;
  const minute = all.slice(-60);
  return (
    <div class="figures">
      <Figure
        name="Throughput"
        value={rate(mean(all.slice(-5), ended))}
        unit="/s"
        note={minute.length === 0 ? "" : `${rate(mean(minute, ended))}/s in the last minute`}
      >
        <Spark values={recent.map(ended)} tone="one" />
      </Figure>
      <Figure
        name="Running"
        value={count(used)}
        unit={`of ${count(slots)} slots`}
        note={plural(workers.value?.length ?? 0, "worker", "workers")}
      >
        <Meter value={used} most={slots} label="Slots in use" />
      </Figure>
      <Figure
        name="Waiting"
        value={count(ready)}
        unit="ready"
        note={
          ready === 0
            ? "nothing waits"
            : slots === 0
              ? "no worker takes it"
              : `${duration(backlogMs / slots)} of work for these slots`
        }
      >
        <Spark values={recent.map((one) => one.ready)} tone="three" />
      </Figure>
      <Figure
        name="Failed"
        value={rate(mean(minute, ({ failedPerS }) => failedPerS) * 60)}
        unit="/min"
        note={shareOf(minute)}
      >
        <Spark values={recent.map(({ failedPerS }) => failedPerS)} tone="bad" />
      </Figure>
    </div>
  );
}

/** How much of what ended had failed. */
function shareOf(some: readonly Sample[]): string {
  const all = mean(some, ended);
  if (all === 0) return "";
  const share = (100 * mean(some, ({ failedPerS }) => failedPerS)) / all;
  return `${share === 0 ? "none" : `${share < 1 ? share.toFixed(1) : Math.round(share)} %`} of what ended in the last minute`;
}

function ended({ succeededPerS, failedPerS }: Sample): number {
  return succeededPerS + failedPerS;
}

function mean(some: readonly Sample[], of: (sample: Sample) => number): number {
  return some.length === 0 ? 0 : some.reduce((sum, one) => sum + of(one), 0) / some.length;
}

function Figure(props: {
  readonly name: string;
  readonly value: string;
  readonly unit: string;
  readonly note: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="figure" aria-label={props.name}>
      <h2>{props.name}</h2>
      <p class="figure-value">
        <b>{props.value}</b> <span>{props.unit}</span>
      </p>
      <p class="figure-note">{props.note}</p>
      {props.children}
    </section>
  );
}

/** Only what waits longer than it should, or for what may never come. */
function Stuck(): JSX.Element | null {
  const stuck = heads.value
    .filter(({ since, reason }) => now.value - since > STUCK_MS && reason !== "next")
    .sort((a, b) => a.since - b.since);
  if (stuck.length === 0) return null;
  return (
    <Panel title="What waits, and why" note={plural(stuck.length, "line", "lines")} class="stuck">
      <ul class="stuck-list">
        {stuck.map((head) => (
          <StuckLine key={head.id} head={head} />
        ))}
      </ul>
    </Panel>
  );
}

const HARMLESS = new Set<WaitingHead["reason"]>([
  "workers-busy",
  "rate",
  "queue-rate",
  "concurrency",
  "queue-concurrency",
]);

function StuckLine({ head }: { readonly head: WaitingHead }): JSX.Element {
  return (
    <li>
      <span class={`reason ${HARMLESS.has(head.reason) ? "" : "serious"}`}>
        {head.reason.replaceAll("-", " ")}
      </span>
      <span class="stuck-text">
        {head.sentence} <TaskLink id={head.id}>{head.name}</TaskLink>{" "}
        <span class="faint">in {head.queue}</span>
      </span>
      <span class="stuck-time">
        <Elapsed since={head.since} />
      </span>
    </li>
  );
}

function Stream(): JSX.Element {
  if (workers.value === null) return <Waiting rows={4} />;
  if (workers.value.length === 0) {
    return (
      <Empty icon="workers" title="No worker is connected" command="npx yardmaster worker ./worker.ts">
        Tasks wait until one comes. A worker runs the handlers that a file exports.
      </Empty>
    );
  }
  return <TaskStream />;
}

function Throughput(): JSX.Element {
  const all = samples.value;
  const series: Series[] = [
    {
      name: "succeeded",
      tone: "good",
      values: all.map(({ succeededPerS }) => succeededPerS),
      isFilled: true,
    },
    { name: "failed", tone: "bad", values: all.map(({ failedPerS }) => failedPerS) },
    { name: "submitted", tone: "three", values: all.map(({ submittedPerS }) => submittedPerS) },
  ];
  return (
    <Chart
      label="Throughput"
      times={all.map(({ at }) => at)}
      series={series}
      show={(value) => `${rate(value)}/s`}
      spanMs={spanOf(all)}
    />
  );
}

/** As long as there is something to show. */
function spanOf(all: readonly Sample[]): number {
  const known = (all.at(-1)?.at ?? 0) - (all[0]?.at ?? 0);
  return Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, Math.ceil(known / MIN_SPAN_MS) * MIN_SPAN_MS));
}

function Latency(props: { readonly label: string; readonly field: "wait" | "run" | "total" }): JSX.Element {
  const { label, field } = props;
  const all = samples.value;
  const of = (name: keyof Percentiles): (number | null)[] => all.map((one) => one[field]?.[name] ?? null);
  const series: Series[] = [
    { name: "p50", tone: "one", values: of("p50"), isFilled: true },
    { name: "p95", tone: "two", values: of("p95") },
    { name: "p99", tone: "bad", values: of("p99") },
  ];
  return (
    <Chart
      label={label}
      times={all.map(({ at }) => at)}
      series={series}
      show={duration}
      spanMs={spanOf(all)}
    />
  );
}

function QueueRows(): JSX.Element {
  const all = queues.value;
  if (all === null) return <Waiting rows={4} />;
  if (all.length === 0) {
    return (
      <Empty
        icon="queues"
        title="No queue yet"
        command={`npx yardmaster submit greet '{"name":"world"}' --wait`}
      >
        The first task or worker brings its queue along.
      </Empty>
    );
  }
  const most = Math.max(1, ...all.map(({ ready, parked, active }) => ready + parked + active));
  return (
    <div class="table-wrap">
      <table class="table compact">
        <thead>
          <tr>
            <th scope="col">Queue</th>
            <th scope="col" class="bar-cell">
              Ready and active
            </th>
            <th scope="col" class="number">
              Ends
            </th>
            <th scope="col" class="number">
              Wait p95
            </th>
          </tr>
        </thead>
        <tbody>
          {all.map((queue) => {
            const flow = flows.value.get(queue.name);
            return (
              <tr key={queue.name}>
                <th scope="row">
                  <QueueLink name={queue.name} /> {queue.paused && <span class="tag warn">paused</span>}
                </th>
                <td class="bar-cell" data-label="Ready and active">
                  <span
                    class="depth"
                    title={`${count(queue.active)} active, ${count(queue.ready + queue.parked)} ready`}
                  >
                    <span class="depth-active" style={{ width: `${(queue.active / most) * 100}%` }} />
                    <span
                      class="depth-ready"
                      style={{ width: `${((queue.ready + queue.parked) / most) * 100}%` }}
                    />
                  </span>
                  <span class="depth-figure">
                    {count(queue.active)} <span class="faint">+ {count(queue.ready + queue.parked)}</span>
                  </span>
                </td>
                <td class="number" data-label="Ends">
                  {rate(flow?.perS ?? 0)}/s
                </td>
                <td class="number" data-label="Wait p95">
                  {flow?.wait === null || flow === undefined ? "–" : duration(flow.wait.p95)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function LatestEnds(): JSX.Element {
  const latest = ends.value.slice(-SHOWN_ENDS).reverse();
  if (latest.length === 0) {
    return (
      <Empty
        icon="tasks"
        title="Nothing has ended yet"
        command={`npx yardmaster submit greet '{"name":"world"}' --wait`}
      >
        Attempts are listed here as they end.
      </Empty>
    );
  }
  return (
    <ol class="latest">
      {latest.map((end) => (
        <li key={`${end.id} ${end.attempt}`}>
          <StateBadge state={end.as} />
          <span class="latest-name">
            <a href={`/tasks/${end.id}`} title={`${end.name} ${end.id}`}>
              {end.name}
            </a>
          </span>
          <span class="latest-took">{duration(end.endedAt - end.startedAt)}</span>
          <span class="latest-at">
            <Time at={end.endedAt} />
          </span>
        </li>
      ))}
    </ol>
  );
}
