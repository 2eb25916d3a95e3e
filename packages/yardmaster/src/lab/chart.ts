import type { Measure } from "./measure.ts";

const WIDTH = 760;
const HEIGHT = 380;
const LEFT = 64;
const RIGHT = 200;
const TOP = 48;
const BOTTOM = 48;
const INK = ["#8a8f98", "#2563eb", "#d97706", "#059669", "#c026d3", "#dc2626", "#0891b2", "#65a30d"];
/** How far down the share goes that is shown. */
const LEAST_SHARE = 0.001;
const STEPS = 160;

/** One line of a chart: sorted durations, in milliseconds. */
export interface Curve {
  readonly name: string;
  readonly sorted: ArrayLike<number>;
}

/** How the waits of each policy are spread, or the times to the end where second attempts are to shorten those. */
export function policyChart(measures: readonly Measure[]): string {
  const [first] = measures;
  if (first === undefined) return "";
  const { name: title, tasks } = first.scenario;
  const showsEnds = tasks.some(({ speculation }) => speculation !== undefined);
  const curves = measures.map((measure) => ({
    name: measure.policy.name,
    sorted: showsEnds ? measure.sortedEnds() : measure.sortedWaits(),
  }));
  return shareChart(title, `share of the tasks that ${showsEnds ? "took" : "waited"} longer than …`, curves);
}

/** Which share of some durations is longer than so long. Both axes are logarithmic. */
export function shareChart(title: string, subtitle: string, curves: readonly Curve[]): string {
  const longest = Math.max(10, ...curves.map(({ sorted }) => sorted[sorted.length - 1] ?? 0));
  const decades = Math.ceil(Math.log10(longest));
  const shortest = Math.min(longest, ...curves.map(({ sorted }) => sorted[0] ?? 0));
  const from = Math.max(0, decades - 6, Math.floor(Math.log10(Math.max(1, shortest))));
  const x = (ms: number): number =>
    LEFT + ((Math.log10(Math.max(ms, 10 ** from)) - from) / (decades - from)) * (WIDTH - LEFT - RIGHT);
  const y = (share: number): number =>
    TOP + (Math.log10(Math.max(share, LEAST_SHARE)) / Math.log10(LEAST_SHARE)) * (HEIGHT - TOP - BOTTOM);
  const grid = [
    ...range(from, decades).map((decade) => vertical(x(10 ** decade), spoken(10 ** decade))),
    ...[1, 0.1, 0.01, 0.001].map((share) => horizontal(y(share), `${share * 100} %`)),
  ];
  const lines = curves.map((curve, index) => line(curve, INK[index % INK.length] ?? "", index, x, y));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(`${title}: ${subtitle}`)}" font-family="system-ui, sans-serif" font-size="12">
<style>.t{fill:#374151}.g{stroke:#9ca3af;stroke-opacity:.35}@media(prefers-color-scheme:dark){.t{fill:#d1d5db}}</style>
<text class="t" x="${LEFT}" y="20" font-size="15" font-weight="600">${escaped(title)}</text>
<text class="t" x="${LEFT}" y="37">${escaped(subtitle)}</text>
${grid.join("\n")}
${lines.join("\n")}
</svg>
`;
}

function line(
  { name, sorted }: Curve,
  ink: string,
  index: number,
  x: (ms: number) => number,
  y: (share: number) => number,
): string {
  const points: string[] = [];
  for (let step = 0; step <= STEPS; step++) {
    const share = LEAST_SHARE ** (step / STEPS);
    const at = Math.min(sorted.length - 1, Math.floor((1 - share) * sorted.length));
    points.push(`${x(sorted[at] ?? 0).toFixed(1)},${y(share).toFixed(1)}`);
  }
  const labelY = TOP + 14 + 18 * index;
  const labelX = WIDTH - RIGHT + 16;
  return `<polyline points="${points.join(" ")}" fill="none" stroke="${ink}" stroke-width="2" stroke-linejoin="round"/>
<rect x="${labelX}" y="${labelY - 9}" width="14" height="4" rx="2" fill="${ink}"/><text class="t" x="${labelX + 20}" y="${labelY - 3}">${escaped(name)}</text>`;
}

function vertical(at: number, text: string): string {
  return `<line class="g" x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text class="t" x="${at.toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${text}</text>`;
}

function horizontal(at: number, text: string): string {
  return `<line class="g" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}"/><text class="t" x="${LEFT - 8}" y="${(at + 4).toFixed(1)}" text-anchor="end">${text}</text>`;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** A time for people, of three digits at most. */
export function spoken(ms: number): string {
  if (ms < 1000) return `${Number(ms.toPrecision(3))} ms`;
  if (ms < 120_000) return `${Number((ms / 1000).toPrecision(3))} s`;
  return ms < 7_200_000
    ? `${Number((ms / 60_000).toPrecision(3))} min`
    : `${Number((ms / 3_600_000).toPrecision(3))} h`;
}

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
