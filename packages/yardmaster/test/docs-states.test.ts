import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import type { Rule } from "../src/kernel/rules.ts";
import { RULES } from "../src/kernel/transitions.ts";

const PAGE = resolve(import.meta.dirname, "../../../docs/states.md");

interface Transition {
  readonly from: string;
  readonly event: string;
  readonly rule: Rule<never>;
}

const transitions: readonly Transition[] = Object.entries(RULES).flatMap(([from, row]) =>
  Object.entries(row).flatMap(([event, rule]) => (rule === null ? [] : [{ from, event, rule }])),
);

it("docs/states.md shows the transition table as it is", () => {
  const page = renderPage();
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, "utf8")).toBe(page);
});

function renderPage(): string {
  return `# States of a task

Rendered from the one table that decides, \`packages/yardmaster/src/kernel/transitions.ts\`, by
\`packages/yardmaster/test/docs-states.test.ts\`: change the table, then run the test with \`UPDATE_DOCS=1\`.

Waiting: \`submitted\`, \`scheduled\`, \`ready\` (and \`blocked\`, which nothing leads to yet). Active: \`assigned\`, \`running\`.
Terminal: \`succeeded\`, \`failed\`, \`cancelled\`, \`expired\`; nothing ever leaves a terminal state.

## The picture

\`\`\`mermaid
stateDiagram-v2
  [*] --> submitted
${arrows().join("\n")}
  succeeded --> [*]
  failed --> [*]
  cancelled --> [*]
  expired --> [*]
\`\`\`

## The table

What happens to a task in a state (row) on an event (column). A dash is what cannot happen: it throws where invariants
are checked, and is counted and ignored in production.

${grid()}

## The rules

${rules()}

Two events are settled before the table is asked: an outcome counts only if its attempt is the current one, or as
\`succeededLate\` if it is a success and the task is unfinished; a cancel of a task that has ended, or that nobody knows
yet, is answered and changes no state.
`;
}

/** One arrow for each pair of states, with the events that may lead from one to the other. */
function arrows(): string[] {
  const events = new Map<string, string[]>();
  for (const { from, event, rule } of transitions) {
    for (const to of rule.leadsTo) {
      if (to === "same") continue;
      const arrow = `  ${from} --> ${to}`;
      events.set(arrow, [...(events.get(arrow) ?? []), event]);
    }
  }
  return Array.from(events, ([arrow, names]) => `${arrow}: ${names.join(", ")}`);
}

function grid(): string {
  const events = Object.keys(RULES.submitted);
  const cell = (from: string, event: string): string =>
    transitions.find((transition) => transition.from === from && transition.event === event)?.rule.name ??
    "–";
  const rows = Object.keys(RULES).map((from) => [`\`${from}\``, ...events.map((event) => cell(from, event))]);
  return [["state", ...events], ["---", ...events.map(() => "---")], ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}

function rules(): string {
  const byName = new Map(transitions.map(({ rule }) => [rule.name, rule]));
  return Array.from(
    byName.values(),
    ({ name, says, leadsTo }) =>
      `- **${name}** → ${leadsTo.map((state) => (state === "same" ? "the same" : `\`${state}\``)).join(", ")}. ${says}`,
  ).join("\n");
}
