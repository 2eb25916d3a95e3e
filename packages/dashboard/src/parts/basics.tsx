import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { State } from "yardmaster/http-client";
import { now } from "../clock.ts";
import { duration, exactTime, relative, shortId } from "../format.ts";
import { Icon, type IconName } from "./icon.tsx";

/** A time as people say it; the exact one on hover. */
export function Time({
  at,
  empty = "–",
}: {
  readonly at: string | number | null;
  readonly empty?: string;
}): JSX.Element {
  if (at === null || at === 0) return <span class="faint">{empty}</span>;
  const time = typeof at === "number" ? at : Date.parse(at);
  return (
    <time class="time" dateTime={new Date(time).toISOString()} title={exactTime(time)}>
      {relative(time, now.value)}
    </time>
  );
}

/** How long something has gone on, counting. */
export function Elapsed({ since }: { readonly since: number }): JSX.Element {
  return <span title={`since ${exactTime(since)}`}>{duration(Math.max(0, now.value - since))}</span>;
}

const LABELS: Partial<Record<State | "retried", string>> = { retried: "failed, goes on" };

/** A state: its word and its colour, never the colour alone. */
export function StateBadge({
  state,
  code,
}: {
  readonly state: State | "retried";
  readonly code?: string | null;
}): JSX.Element {
  return (
    <span class={`badge state-${state}`}>
      <span class="dot" />
      {LABELS[state] ?? state}
      {code !== undefined && code !== null && code !== "" && code !== "HANDLER_FAILED" && (
        <span class="code">{code}</span>
      )}
    </span>
  );
}

export function TaskLink({
  id,
  children,
}: {
  readonly id: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <a href={`/tasks/${encodeURIComponent(id)}`} class="mono" title={id}>
      {children ?? shortId(id)}
    </a>
  );
}

export function QueueLink({ name }: { readonly name: string }): JSX.Element {
  return (
    <a href={`/tasks?queue=${encodeURIComponent(name)}`} class="quiet" title={name}>
      {name}
    </a>
  );
}

export function WorkerLink({ id }: { readonly id: string | null }): JSX.Element {
  if (id === null || id === "") return <span class="faint">–</span>;
  return (
    <a href={`/workers?worker=${encodeURIComponent(id)}`} class="mono quiet" title={id}>
      {shortId(id)}
    </a>
  );
}

export function Panel(props: {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly class?: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  const id = `panel-${props.title.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <section class={`panel ${props.class ?? ""}`} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{props.title}</h2>
        {props.note !== undefined && <span class="note">{props.note}</span>}
        <span class="spacer" />
        {props.actions}
      </header>
      {props.children}
    </section>
  );
}

/** Nothing is here, and this is what to do about it. */
export function Empty(props: {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
  readonly command?: string;
}): JSX.Element {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={props.icon} size={22} />
      </span>
      <p class="empty-title">{props.title}</p>
      {props.children !== undefined && <p class="empty-text">{props.children}</p>}
      {props.command !== undefined && <Command text={props.command} />}
    </div>
  );
}

/** A command to copy. */
export function Command({ text }: { readonly text: string }): JSX.Element {
  return (
    <span class="command">
      <code>{text}</code>
      <CopyButton text={text} what="command" />
    </span>
  );
}

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard?.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1_500);
    });
  };
  return (
    <button
      type="button"
      class="icon-button"
      onClick={copy}
      aria-label={`Copy ${what}`}
      title={`Copy ${what}`}
    >
      <Icon name={isCopied ? "check" : "copy"} size={15} />
    </button>
  );
}

/** How full something is. */
export function Meter(props: {
  readonly value: number;
  readonly most: number;
  readonly label: string;
}): JSX.Element {
  const share = props.most === 0 ? 0 : Math.min(1, props.value / props.most);
  return (
    <span
      class="meter"
      role="meter"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={Math.max(props.most, props.value)}
      aria-valuenow={props.value}
    >
      <span style={{ width: `${share * 100}%` }} />
    </span>
  );
}

/** While the first answer is on its way: as tall as what will be there. */
export function Waiting({ rows = 3 }: { readonly rows?: number }): JSX.Element {
  return (
    <div class="skeleton" aria-busy="true" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} />
      ))}
    </div>
  );
}

export function Trouble({ text }: { readonly text: string }): JSX.Element {
  return (
    <p class="trouble" role="alert">
      <Icon name="alert" size={16} /> {text}
    </p>
  );
}
