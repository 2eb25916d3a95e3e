import type { JSX } from "preact";
import type { QueueStatus } from "yardmaster/http-client";
import { count, duration, rate } from "../format.ts";
import { heads, queues, stats } from "../live.ts";
import { ActionButton, attempt } from "../parts/actions.tsx";
import { Empty, Panel, Waiting } from "../parts/basics.tsx";
import { flows } from "../samples.ts";
import { client } from "../session.ts";
import { type QueueSettings, SettingsButton } from "./queue-settings.tsx";

/** What a queue has that was declared without more. */
const DEFAULTS: QueueSettings = {
  weight: 1,
  precedence: 0,
  agingMs: 10_000,
  concurrency: 0,
  rate: null,
  admission: "any",
};

export function QueuesPage(): JSX.Element {
  const all = queues.value;
  if (all === null) return <Waiting rows={5} />;
  if (all.length === 0) {
    return (
      <Panel title="No queue yet">
        <Empty
          icon="queues"
          title="A queue comes with its first task or worker"
          command="npx yardmaster queues apply ./queues.ts"
        >
          Or declare queues in a file and apply it, with orders, limits and weights.
        </Empty>
      </Panel>
    );
  }
  return (
    <div class="page cards">
      {all.map((queue) => (
        <QueueCard key={queue.name} queue={queue} />
      ))}
    </div>
  );
}

function QueueCard({ queue }: { readonly queue: QueueStatus }): JSX.Element {
  const flow = flows.value.get(queue.name);
  const stat = stats.value?.queues.find((one) => one.queue === queue.name);
  const head = heads.value.find((one) => one.queue === queue.name && one.reason !== "next");
  const settings = queue.settings ?? DEFAULTS;
  const slots = stats.value?.slots ?? 0;
  const backlogMs = stat === undefined || slots === 0 ? null : stat.backlogMs / slots;
  return (
    <article class="panel card" aria-label={`Queue ${queue.name}`}>
      <header class="panel-head">
        <h2 title={queue.name}>{queue.name}</h2>
        {queue.paused ? <span class="tag warn">paused</span> : <span class="tag good">open</span>}
        <span class="actions">
          <SettingsButton queue={queue} settings={settings} />
          <PauseButton queue={queue} />
        </span>
      </header>
      <dl class="counts">
        <Count
          name="Ready"
          value={queue.ready}
          to={`/tasks?queue=${encodeURIComponent(queue.name)}&state=ready`}
        />
        <Count
          name="Active"
          value={queue.active}
          to={`/tasks?queue=${encodeURIComponent(queue.name)}&state=running`}
        />
        <Count
          name="Scheduled"
          value={queue.scheduled}
          to={`/tasks?queue=${encodeURIComponent(queue.name)}&state=scheduled`}
        />
        <Count
          name="Blocked"
          value={queue.blocked}
          to={`/tasks?queue=${encodeURIComponent(queue.name)}&state=blocked`}
        />
        <Count name="Parked" value={queue.parked} />
      </dl>
      <dl class="facts">
        <Fact name="Ends" value={`${rate(flow?.perS ?? 0)}/s`} />
        <Fact name="Fails" value={`${rate((flow?.failedPerS ?? 0) * 60)}/min`} />
        <Fact
          name="Wait p50, p95"
          value={flow?.wait ? `${duration(flow.wait.p50)}, ${duration(flow.wait.p95)}` : "–"}
        />
        <Fact name="Backlog" value={backlogMs === null ? "–" : duration(backlogMs)} />
        <Fact name="Order" value={queue.order} />
        <Fact name="Placement" value={queue.placement} />
        <Settings settings={settings} />
      </dl>
      <p class="card-foot">
        {head === undefined ? <span class="faint">Nothing is in its way.</span> : head.sentence}
      </p>
    </article>
  );
}

function Settings({ settings }: { readonly settings: QueueSettings }): JSX.Element {
  const { weight, precedence, concurrency, rate: limit } = settings;
  return (
    <>
      <Fact name="Weight" value={String(weight)} />
      <Fact name="Precedence" value={String(precedence)} />
      <Fact name="Concurrency" value={concurrency === 0 ? "no limit" : String(concurrency)} />
      <Fact
        name="Rate"
        value={
          limit === null ? "no limit" : `${limit.limit} per ${duration(limit.perMs)}, burst ${limit.burst}`
        }
      />
    </>
  );
}

function PauseButton({ queue: { name, paused } }: { readonly queue: QueueStatus }): JSX.Element {
  return paused ? (
    <ActionButton
      icon="play"
      label={`Resume queue ${name}`}
      run={() => attempt(`Queue ${name} goes on`, () => client.value.resume(name))}
    >
      Resume
    </ActionButton>
  ) : (
    <ActionButton
      icon="pause"
      label={`Pause queue ${name}`}
      run={() => attempt(`Queue ${name} is paused`, () => client.value.pause(name))}
    >
      Pause
    </ActionButton>
  );
}

function Count({
  name,
  value,
  to,
}: {
  readonly name: string;
  readonly value: number;
  readonly to?: string;
}): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{to === undefined ? count(value) : <a href={to}>{count(value)}</a>}</dd>
    </div>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
