import type { JSX, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
  STATES,
  type State,
  type TaskStatus,
  TERMINAL_STATES,
  type TerminalState,
} from "yardmaster/http-client";
import { useAnswer } from "../answer.ts";
import { plural } from "../format.ts";
import { queues, workers } from "../live.ts";
import { Empty, Panel, Trouble, Waiting } from "../parts/basics.tsx";
import { TaskTable } from "../parts/task-table.tsx";
import { param, setQuery } from "../router.ts";
import { client } from "../session.ts";
import { BulkActions } from "./bulk-actions.tsx";
import { fromOf, isEnded, isKeyed, type TaskSearch } from "./task-search.ts";

const PAGE = 50;
const AGAIN_MS = 5_000;
/** An answer may be empty and still lead on: so many are asked for before the reader is asked. */
const LOOKS = 4;
const PERIODS = {
  "": "any time",
  "15m": "last 15 minutes",
  "1h": "last hour",
  "24h": "last 24 hours",
  "7d": "last 7 days",
};

interface TaskRows {
  readonly tasks: readonly TaskStatus[];
  /** Leads to the next page; "" where there is none. */
  readonly next: string;
}

export function TasksPage(): JSX.Element {
  const search: TaskSearch = {
    state: param("state") || "unfinished",
    queue: param("queue"),
    name: param("name"),
    key: param("key"),
    period: param("period"),
  };
  const about = JSON.stringify(search);
  const [walked, setWalked] = useState<{ readonly about: string; readonly trail: readonly string[] }>({
    about,
    trail: [],
  });
  // Another search begins at its first page.
  const trail = walked.about === about ? walked.trail : [];
  const setTrail = (next: readonly string[]): void => setWalked({ about, trail: next });
  const cursor = trail.at(-1) ?? "";
  const key = about + cursor;
  const { value, trouble, again } = useAnswer(key, (signal) => rowsOf(search, cursor, signal), {
    everyMs: cursor === "" ? AGAIN_MS : 0,
  });
  return (
    <div class="page">
      <Panel
        {...headOf(search)}
        actions={isKeyed(search) ? null : <BulkActions search={search} done={again} />}
      >
        <Filters search={search} change={setQuery} />
        {trouble !== "" && <Trouble text={trouble} />}
        <Rows value={value} search={search} lookOn={(next) => setTrail([...trail, next])} />
        {!isKeyed(search) && (value !== null || trail.length > 0) && (
          <Pager trail={trail} next={value?.next ?? ""} setTrail={setTrail} />
        )}
      </Panel>
    </div>
  );
}

function headOf(search: TaskSearch): { readonly title: string; readonly note: string } {
  if (isKeyed(search)) return { title: "Of this key", note: "while its window lasts" };
  return isEnded(search.state)
    ? { title: "Ended", note: "newest first" }
    : { title: "Unfinished", note: "oldest first" };
}

async function rowsOf(search: TaskSearch, cursor: string, signal: AbortSignal): Promise<TaskRows> {
  const { state, queue, name, period } = search;
  if (isKeyed(search)) {
    const { name: of, key } = search;
    const tasks = await client.value.list({ name: of, key, ...(queue === "" ? {} : { queue }) }, { signal });
    return { tasks, next: "" };
  }
  const wanted = { limit: PAGE, ...(queue === "" ? {} : { queue }), ...(name === "" ? {} : { name }) };
  if (isEnded(state)) {
    const states: readonly TerminalState[] = TERMINAL_STATES.filter(
      (one) => state === "ended" || one === state,
    );
    let next = cursor;
    for (let look = 1; ; look++) {
      const page = await client.value.history(
        { ...wanted, ...fromOf(period), state: states, ...(next === "" ? {} : { cursor: next }) },
        { signal },
      );
      next = page.cursor ?? "";
      if (page.tasks.length > 0 || next === "" || look === LOOKS) return { tasks: page.tasks, next };
    }
  }
  const one = STATES.find((known) => known === state);
  const tasks = await client.value.list(
    {
      ...wanted,
      unfinished: true,
      ...(one === undefined ? {} : { state: one }),
      ...(cursor === "" ? {} : { after: cursor }),
    },
    { signal },
  );
  return { tasks, next: tasks.length === PAGE ? (tasks.at(-1)?.id ?? "") : "" };
}

function Filters({
  search,
  change,
}: {
  readonly search: TaskSearch;
  readonly change: (changes: Record<string, string>) => void;
}): JSX.Element {
  const names = new Set(
    (workers.value ?? []).flatMap(({ tasks }) => tasks.map((one) => one.replace(/@\d+$/, ""))),
  );
  const named = useTyped(search.name);
  const keyed = useTyped(search.key);
  const waiting: readonly State[] = STATES.filter((state) => !isEnded(state) && state !== "submitted");
  return (
    <form class="filters" role="search" aria-label="Tasks" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>State</span>
        <select
          value={isKeyed(search) ? "" : search.state}
          disabled={isKeyed(search)}
          onChange={(event) => change({ state: event.currentTarget.value })}
        >
          {isKeyed(search) && <option value="">any state</option>}
          <optgroup label="Unfinished">
            <option value="unfinished">all unfinished</option>
            {waiting.map((state) => (
              <option key={state}>{state}</option>
            ))}
          </optgroup>
          <optgroup label="Ended">
            <option value="ended">all ended</option>
            {TERMINAL_STATES.map((state) => (
              <option key={state}>{state}</option>
            ))}
          </optgroup>
        </select>
      </label>
      <label>
        <span>Queue</span>
        <select value={search.queue} onChange={(event) => change({ queue: event.currentTarget.value })}>
          <option value="">any queue</option>
          {[
            ...new Set([
              ...(queues.value ?? []).map(({ name }) => name),
              ...(search.queue === "" ? [] : [search.queue]),
            ]),
          ].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="grow">
        <span>Name</span>
        <input
          type="search"
          ref={named}
          list="task-names"
          defaultValue={search.name}
          placeholder="any task"
          spellcheck={false}
          onChange={(event) => change({ name: event.currentTarget.value.trim() })}
        />
        <datalist id="task-names">
          {[...names].map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      <label>
        <span>Key</span>
        <input
          type="search"
          ref={keyed}
          disabled={search.name === ""}
          defaultValue={search.key}
          placeholder={search.name === "" ? "of a name" : "any key"}
          title="The idempotency key of one task of this name"
          spellcheck={false}
          onChange={(event) => change({ key: event.currentTarget.value.trim() })}
        />
      </label>
      <label>
        <span>Submitted</span>
        <select
          value={search.period}
          disabled={!isEnded(search.state) || isKeyed(search)}
          onChange={(event) => change({ period: event.currentTarget.value })}
        >
          {Object.entries(PERIODS).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
    </form>
  );
}

/** What is being typed is not the address yet: it stays while the page is drawn again. */
function useTyped(value: string): RefObject<HTMLInputElement | null> {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (field.current !== null) field.current.value = value;
  }, [value]);
  return field;
}

function Rows({
  value,
  search,
  lookOn,
}: {
  readonly value: TaskRows | null;
  readonly search: TaskSearch;
  readonly lookOn: (next: string) => void;
}): JSX.Element {
  if (value === null) return <Waiting rows={8} />;
  if (value.tasks.length > 0)
    return (
      <TaskTable
        tasks={value.tasks}
        caption={`${plural(value.tasks.length, "task", "tasks")}, ${isKeyed(search) ? "of this key" : search.state}`}
      />
    );
  if (isKeyed(search)) {
    return (
      <Empty icon="search" title="No task has this key">
        A key is kept as long as its window says, a day by default.{" "}
        <button type="button" class="link" onClick={() => setQuery({ key: "" })}>
          Take the key out
        </button>
      </Empty>
    );
  }
  if (value.next !== "") {
    return (
      <Empty icon="search" title="Nothing among the newest">
        Older tasks have not been looked at yet.{" "}
        <button type="button" class="link" onClick={() => lookOn(value.next)}>
          Look further
        </button>
      </Empty>
    );
  }
  const isFiltered = search.queue !== "" || search.name !== "" || search.period !== "";
  if (isFiltered) {
    return (
      <Empty icon="search" title="No task fits">
        <button
          type="button"
          class="link"
          onClick={() => setQuery({ queue: "", name: "", key: "", period: "" })}
        >
          Take the filters out
        </button>
      </Empty>
    );
  }
  return isEnded(search.state) ? (
    <Empty icon="tasks" title="Nothing has ended this way" command="npx yardmaster list --state succeeded">
      What ends is kept for a day, what fails for a week, unless its definition says otherwise.
    </Empty>
  ) : (
    <Empty
      icon="tasks"
      title="Nothing waits and nothing runs"
      command={`npx yardmaster submit greet '{"name":"world"}' --wait`}
    >
      <a href="/tasks?state=ended">See what has ended</a>
    </Empty>
  );
}

/** Its buttons keep the focus where there is nothing more, so that a page after another takes one key each. */
function Pager(props: {
  readonly trail: readonly string[];
  readonly next: string;
  readonly setTrail: (trail: readonly string[]) => void;
}): JSX.Element {
  const { trail, next, setTrail } = props;
  const isFirst = trail.length === 0;
  const isLast = next === "";
  return (
    <nav class="pager" aria-label="Pages of tasks">
      <span class="faint">Page {trail.length + 1}</span>
      <span class="spacer" />
      <button
        type="button"
        class="button"
        aria-disabled={isFirst}
        onClick={() => isFirst || setTrail(trail.slice(0, -1))}
      >
        Back
      </button>
      <button
        type="button"
        class="button"
        aria-disabled={isLast}
        onClick={() => isLast || setTrail([...trail, next])}
      >
        Next
      </button>
    </nav>
  );
}
