import { escaped } from "../packages/yardmaster/src/lab/chart.ts";
import { figureText, groupsOf, namesOf } from "./figures.ts";
import type { Comparison } from "./record.ts";

const WIDTH = 760;
const LEFT = 250;
const RIGHT = 150;
const BAR = 16;
const GAP = 4;
const HEAD = 74;
const GROUP_HEAD = 24;
const GROUP_FOOT = 12;

/**
 * Bars of one kept run, a group for each measure, each group on a scale of its own from zero; a thin line goes from
 * the least to the most. Text and lines follow the reader's colour scheme.
 */
export function barChart(run: Comparison): string {
  const systems = namesOf(run);
  const groups = groupsOf(run);
  let y = HEAD;
  const parts = groups.map(({ measure, title, figures }) => {
    const most = Math.max(...Object.values(figures).map(({ max }) => max));
    const scale = (value: number): number => (value / most) * (WIDTH - LEFT - RIGHT);
    const top = y;
    const bars = systems.flatMap(({ system, label }) => {
      const figure = figures[system];
      if (figure === undefined) return [];
      const at = y + GROUP_HEAD;
      y += BAR + GAP;
      const middle = (at + BAR / 2).toFixed(1);
      const [from, to] = [figure.min, figure.max].map((value) => (LEFT + scale(value)).toFixed(1));
      const style = system === "yardmaster" ? "own" : "other";
      return [
        `<text class="t" x="${LEFT - 8}" y="${at + BAR - 4}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="${style}" x="${LEFT}" y="${at}" width="${Math.max(1, scale(figure.median)).toFixed(1)}" height="${BAR}" rx="2"/>`,
        `<line class="w" x1="${from}" x2="${to}" y1="${middle}" y2="${middle}"/>`,
        `<text class="t" x="${(LEFT + scale(figure.max) + 8).toFixed(1)}" y="${at + BAR - 4}">${figureText(measure, figure.median)}</text>`,
      ];
    });
    y += GROUP_HEAD + GROUP_FOOT;
    return [
      `<text class="t" x="16" y="${top + 14}" font-weight="600">${escaped(title)}</text>`,
      ...bars,
    ].join("\n");
  });
  const { servers, durability, machine, load, node, commit, at, repeat, payloadBytes } = run;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="${escaped(`Yardmaster beside others on ${servers.join(", ")}`)}" font-family="system-ui, sans-serif" font-size="12">
<style>.t{fill:#1f2937}.own{fill:#2563eb}.other{fill:#9ca3af}.w{stroke:#111827;stroke-opacity:.7}@media(prefers-color-scheme:dark){.t{fill:#e5e7eb}.own{fill:#60a5fa}.other{fill:#6b7280}.w{stroke:#f9fafb}}</style>
<text class="t" x="16" y="22" font-size="15" font-weight="600">${escaped(durability)}</text>
<text class="t" x="16" y="40">${escaped(`${servers.join(", ")}, Node.js ${node.slice(1)}, ${machine}, load average ${load} before`)}</text>
<text class="t" x="16" y="56">${escaped(`no-op tasks of ${payloadBytes} bytes; medians of ${repeat}, lines from least to most; ${at.slice(0, 10)}, commit ${commit}`)}</text>
${parts.join("\n")}
</svg>
`;
}
