import type { JSX } from "preact";
import type { RunningAttempt, WorkerStatus } from "yardmaster/http-client";
import { count, shortId } from "../format.ts";
import { running, workers } from "../live.ts";
import { ActionButton, attempt, confirmed } from "../parts/actions.tsx";
import { CopyButton, Elapsed, Empty, Meter, Panel, TaskLink, Time, Waiting } from "../parts/basics.tsx";
import { FormButton, NumberField, numberOf } from "../parts/form-button.tsx";
import { param, setQuery } from "../router.ts";
import { client } from "../session.ts";

const SHOWN = 8;
/** A worker takes no more while it runs. */
const MAX_SLOTS = 1_000;

export function WorkersPage(): JSX.Element {
  const all = workers.value;
  const wanted = param("worker");
  if (all === null) return <Waiting rows={6} />;
  if (all.length === 0) {
    return (
      <Panel title="No worker">
        <Empty
          icon="workers"
          title="No worker is connected"
          command="npx yardmaster worker ./worker.ts --slots 50 --label zone=eu"
        >
          Tasks wait until one comes. A worker runs the handlers that a file exports, so many at a time as it
          has slots.
        </Empty>
      </Panel>
    );
  }
  const shown = all.filter(({ id, labels }) => wanted === "" || matches(id, labels, wanted));
  return (
    <div class="page">
      <form class="filters" role="search" aria-label="Workers" onSubmit={(event) => event.preventDefault()}>
        <label class="grow">
          <span>Worker or label</span>
          <input
            type="search"
            value={wanted}
            placeholder="an id, or zone=eu"
            spellcheck={false}
            onInput={(event) => setQuery({ worker: event.currentTarget.value.trim() })}
          />
        </label>
        <p class="note">
          {count(shown.length)} of {count(all.length)} workers, {count(sum(shown, "used"))} of{" "}
          {count(sum(shown, "credit"))} slots in use
        </p>
      </form>
      {shown.length === 0 ? (
        <Empty icon="search" title="No worker fits">
          It may have gone. <a href="/workers">See all</a>
        </Empty>
      ) : (
        <div class="cards">
          {shown.map((worker) => (
            <WorkerCard key={worker.id} worker={worker} />
          ))}
        </div>
      )}
    </div>
  );
}

function matches(id: string, labels: Readonly<Record<string, string>>, wanted: string): boolean {
  return (
    id.includes(wanted) || Object.entries(labels).some(([name, text]) => `${name}=${text}`.includes(wanted))
  );
}

function sum(all: readonly WorkerStatus[], field: "used" | "credit"): number {
  return all.reduce((total, one) => total + one[field], 0);
}

function WorkerCard({ worker }: { readonly worker: WorkerStatus }): JSX.Element {
  const { id, credit, used, draining, registered, lastHeardAt, labels, resources, resourcesUsed, tasks } =
    worker;
  const held = running.value.filter((one) => one.worker === id);
  const drain = async (): Promise<void> => {
    const isWanted = await confirmed(
      "Drain this worker?",
      "It takes no more tasks, finishes what it has, and its process ends.",
      "Drain it",
    );
    if (isWanted) await attempt("The worker drains", () => client.value.drain(id));
  };
  return (
    <article class="panel card" aria-label={`Worker ${id}`}>
      <header class="panel-head">
        <h2 class="mono" title={id}>
          {shortId(id)}
        </h2>
        <CopyButton text={id} what="worker's id" />
        {draining ? (
          <span class="tag warn">draining</span>
        ) : registered ? (
          <span class="tag good">open</span>
        ) : (
          <span class="tag">awaited</span>
        )}
        <span class="spacer" />
        <ActionButton icon="drain" run={drain} disabled={draining} label={`Drain worker ${id}`}>
          Drain
        </ActionButton>
      </header>
      <div class="slots-line">
        <span>
          <b>{count(used)}</b> of {count(credit)} slots
        </span>
        <span class="faint">
          heard <Time at={lastHeardAt} />
        </span>
        <SlotsButton worker={worker} />
      </div>
      <Meter value={used} most={credit} label="Slots in use" />
      <ul class="tags" aria-label="Labels and resources">
        {Object.entries(labels).map(([name, text]) => (
          <li key={name} class="tag">
            {name}={text}
          </li>
        ))}
        {Object.entries(resources).map(([name, amount]) => (
          <li key={name} class="tag">
            {name} {resourcesUsed[name] ?? 0}/{amount}
          </li>
        ))}
      </ul>
      <Running held={held} />
      <details class="knows">
        <summary>Knows {count(tasks.length)} kinds of task</summary>
        <p>{tasks.join(", ")}</p>
      </details>
    </article>
  );
}

function SlotsButton({ worker: { id, credit, draining } }: { readonly worker: WorkerStatus }): JSX.Element {
  return (
    <FormButton
      icon="tune"
      label={`Change slots of worker ${id}`}
      disabled={draining}
      title="Change this worker's slots"
      text="How many attempts it runs at a time. What runs goes on; fewer slots are kept as attempts end."
      fields={<NumberField name="slots" label="Slots" value={credit} min={1} max={MAX_SLOTS} />}
      action="Change them"
      done="The worker has its new slots"
      send={(values) => client.value.setSlots(id, numberOf(values, "slots") ?? credit)}
    >
      Change
    </FormButton>
  );
}

function Running({ held }: { readonly held: readonly RunningAttempt[] }): JSX.Element {
  if (held.length === 0) return <p class="none">Runs nothing.</p>;
  return (
    <ul class="running">
      {held.slice(0, SHOWN).map((one) => (
        <li key={`${one.id} ${one.attempt}`}>
          <span class="state-running dot" />
          <TaskLink id={one.id}>{one.name}</TaskLink>
          <span class="spacer" />
          <span class="faint">
            <Elapsed since={one.startedAt} />
          </span>
        </li>
      ))}
      {held.length > SHOWN && <li class="faint">and {held.length - SHOWN} more</li>}
    </ul>
  );
}
