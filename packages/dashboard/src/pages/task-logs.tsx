import type { JSX } from "preact";
import { exactTime } from "../format.ts";
import type { News } from "../task-news.ts";

export function Logs({
  lines,
  isOver,
}: {
  readonly lines: News["lines"];
  readonly isOver: boolean;
}): JSX.Element {
  if (lines.length === 0) {
    return (
      <p class="none">
        {isOver
          ? "It has ended: what it logged went to whoever listened."
          : "What its handler logs is shown here as it comes."}
      </p>
    );
  }
  return (
    <ol class="logs" aria-label="Log lines">
      {lines.map((line, index) => (
        <li key={`${line.at} ${index}`} class={`log-${line.level}`}>
          <time title={exactTime(line.at)}>{clock(line.at)}</time>
          <span class="log-level">{line.level}</span>
          <span class="log-text">{line.message}</span>
        </li>
      ))}
    </ol>
  );
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour12: false });
}
