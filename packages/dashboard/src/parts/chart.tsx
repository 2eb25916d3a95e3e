import type { JSX, TargetedPointerEvent } from "preact";
import { useState } from "preact/hooks";
import { exactTime } from "../format.ts";

export interface Series {
  readonly name: string;
  /** Names its colour in the stylesheet. */
  readonly tone: "good" | "bad" | "one" | "two" | "three";
  readonly values: readonly (number | null)[];
  readonly isFilled?: boolean;
}

interface ChartProps {
  readonly label: string;
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly show: (value: number) => string;
  /** The stretch of time that the width stands for. */
  readonly spanMs: number;
}

const WIDTH = 600;
const HEIGHT = 150;
const TOP = 8;
const STEPS = [1, 2, 2.5, 5, 10];

/** Lines over the last minutes, the present at the right edge. The latest values are in words beside it. */
export function Chart({ label, times, series, show, spanMs }: ChartProps): JSX.Element {
  const [hovered, setHovered] = useState<number | null>(null);
  const end = times.at(-1) ?? 0;
  const most = niceTop(Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const x = (at: number): number => WIDTH * (1 - (end - at) / spanMs);
  const y = (value: number): number => HEIGHT - (HEIGHT - TOP) * (value / most);
  const index = hovered ?? times.length - 1;
  const move = (event: TargetedPointerEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = end - spanMs * (1 - (event.clientX - box.left) / box.width);
    setHovered(nearest(times, at));
  };
  return (
    <figure class="chart">
      <figcaption class="legend">
        {series.map(({ name, tone, values }) => (
          <span key={name} class={`key tone-${tone}`}>
            <span class="swatch" />
            {name} <b>{shown(values[index], show)}</b>
          </span>
        ))}
        <span class="spacer" />
        <span class="faint at">{hovered === null ? "" : exactTime(times[hovered] ?? 0)}</span>
      </figcaption>
      <div class="plot">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${label}: ${series.map(({ name, values }) => `${name} ${shown(values.at(-1), show)}`).join(", ")}`}
          onPointerMove={move}
          onPointerLeave={() => setHovered(null)}
        >
          {[0, 0.5, 1].map((share) => (
            <line key={share} class="grid" x1={0} x2={WIDTH} y1={y(most * share)} y2={y(most * share)} />
          ))}
          {series.map((one) => (
            <Line key={one.name} series={one} times={times} x={x} y={y} />
          ))}
          {hovered !== null && (
            <line class="cursor" x1={x(times[hovered] ?? 0)} x2={x(times[hovered] ?? 0)} y1={0} y2={HEIGHT} />
          )}
        </svg>
        <span class="axis top">{show(most)}</span>
        <span class="axis middle">{show(most / 2)}</span>
        <span class="axis left">{`${Math.round(spanMs / 60_000)} min ago`}</span>
        <span class="axis right">now</span>
      </div>
    </figure>
  );
}

function Line(props: {
  readonly series: Series;
  readonly times: readonly number[];
  readonly x: (at: number) => number;
  readonly y: (value: number) => number;
}): JSX.Element {
  const { series, times, x, y } = props;
  const parts: string[][] = [[]];
  for (const [index, value] of series.values.entries()) {
    if (value === null || value === undefined) parts.push([]);
    else parts.at(-1)?.push(`${x(times[index] ?? 0).toFixed(1)},${y(value).toFixed(1)}`);
  }
  const lines = parts.filter((points) => points.length > 0);
  return (
    <g class={`tone-${series.tone}`}>
      {series.isFilled &&
        lines.map((points) => <polygon key={points[0]} class="area" points={filled(points)} />)}
      {lines.map((points) => (
        <polyline key={points[0]} class="line" points={points.join(" ")} />
      ))}
    </g>
  );
}

function filled(points: readonly string[]): string {
  const first = points[0]?.split(",")[0] ?? "0";
  const last = points.at(-1)?.split(",")[0] ?? "0";
  return `${first},${HEIGHT} ${points.join(" ")} ${last},${HEIGHT}`;
}

/** A small line without axes, beside a number that says the same. */
export function Spark({
  values,
  tone,
}: {
  readonly values: readonly number[];
  readonly tone: Series["tone"];
}): JSX.Element {
  const most = Math.max(1e-9, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map(
    (value, index) => `${(index * step).toFixed(1)},${(27 - 25 * (value / most)).toFixed(1)}`,
  );
  return (
    <svg class={`spark tone-${tone}`} viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      {points.length > 1 && <polygon class="area" points={`0,28 ${points.join(" ")} 100,28`} />}
      {points.length > 1 && <polyline class="line" points={points.join(" ")} />}
    </svg>
  );
}

function shown(value: number | null | undefined, show: (value: number) => string): string {
  return value === null || value === undefined ? "–" : show(value);
}

/** A round number that is not less. */
function niceTop(most: number): number {
  if (most <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.find((one) => one * size >= most) ?? 10;
  return step * size;
}

function nearest(times: readonly number[], at: number): number | null {
  if (times.length === 0) return null;
  let best = 0;
  for (const [index, time] of times.entries())
    if (Math.abs(time - at) < Math.abs((times[best] ?? 0) - at)) best = index;
  return best;
}
