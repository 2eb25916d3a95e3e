import type { JSX } from "preact";
import { CopyButton } from "./basics.tsx";

const MAX_SHOWN = 100;
const OPEN_DEPTH = 2;

/** A value that somebody else wrote: shown as text, branch by branch, whatever it holds. */
export function JsonValue({
  json,
  isCut,
  label,
}: {
  readonly json: string;
  readonly isCut: boolean;
  readonly label: string;
}): JSX.Element {
  const parsed = isCut ? undefined : parse(json);
  return (
    <div class="json" role="group" aria-label={label}>
      <span class="json-copy">
        <CopyButton text={json} what={label.toLowerCase()} />
      </span>
      {parsed === undefined ? <pre class="raw">{json}</pre> : <Branch value={parsed.value} depth={0} />}
      {isCut && <p class="faint">It is longer: the first 64 KiB are shown.</p>}
    </div>
  );
}

function parse(json: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) };
  } catch {
    return undefined;
  }
}

function Branch({
  value,
  depth,
  name,
}: {
  readonly value: unknown;
  readonly depth: number;
  readonly name?: string;
}): JSX.Element {
  const key = name === undefined ? null : <span class="json-key">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div class="json-leaf">
        {key}
        <Leaf value={value} />
      </div>
    );
  }
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div class="json-leaf">
        {key}
        {open}
        {close}
      </div>
    );
  }
  const what = isList ? `${entries.length} items` : `${entries.length} fields`;
  return (
    <details class="json-branch" open={depth < OPEN_DEPTH}>
      <summary>
        {key}
        {open}
        <span class="faint"> {what} </span>
        {close}
      </summary>
      {entries.slice(0, MAX_SHOWN).map(([inner, one]) => (
        <Branch key={inner} value={one} depth={depth + 1} name={inner} />
      ))}
      {entries.length > MAX_SHOWN && <div class="faint">and {entries.length - MAX_SHOWN} more</div>}
    </details>
  );
}

function Leaf({ value }: { readonly value: unknown }): JSX.Element {
  if (value === "[redacted]") return <span class="json-hidden">hidden</span>;
  if (typeof value === "string") return <span class="json-text">{JSON.stringify(value)}</span>;
  return <span class="json-number">{String(value)}</span>;
}
