import type { JSX, TargetedPointerEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { EndedAttempt, WorkerStatus } from "yardmaster/http-client";
import { yardNow } from "../clock.ts";
import { duration, plural } from "../format.ts";
import { ends, freshness, running, workers } from "../live.ts";
import { go } from "../router.ts";
import { theme } from "../theme.ts";
import { WorkerLink } from "./basics.tsx";
import { type Bar, type Lane, lanesOf, SPAN_MS } from "./lanes.ts";

const MAX_LANES = 12;
const ROW = 9;
const GAP = 2;
const LANE_PADDING = 8;
/** As tall as its label, at least. */
const MIN_LANE = 30;
const MAX_ROWS = 6;
const LEAST_WIDTH = 2.5;

/** Workers as lanes, each attempt as a bar from its start to its end: what a yard does, as it does it. */
export function TaskStream(): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [bar, setBar] = useState<(Bar & { readonly x: number; readonly y: number }) | null>(null);
  const lanes = lanesNow();
  const drawn = useRef<readonly Lane[]>(lanes);
  drawn.current = lanes;
  useEffect(() => {
    let frame = requestAnimationFrame(function draw() {
      if (canvas.current !== null) paint(canvas.current, drawn.current);
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, []);
  // The colours are looked up anew with another theme.
  void theme.value;
  const at = (event: TargetedPointerEvent<HTMLCanvasElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const found = barAt(drawn.current, x / box.width, y);
    setBar(found === null ? null : { ...found, x, y });
  };
  return (
    <div class="stream">
      <ol class="lane-names">
        {lanes.map(({ worker, used, credit }) => (
          <li key={worker} style={{ height: `${heightOf(rowsOf(lanes, worker))}px` }}>
            <WorkerLink id={worker} />
            <span class="faint">
              {used}/{credit}
            </span>
          </li>
        ))}
      </ol>
      <div class="lane-plot" style={{ height: `${totalHeight(lanes)}px` }}>
        <canvas
          ref={canvas}
          role="img"
          aria-label={`Task stream of ${plural(lanes.length, "worker", "workers")}: ${plural(running.value.length, "attempt runs", "attempts run")}, ${plural(ends.value.length, "has", "have")} ended of late`}
          onPointerMove={at}
          onPointerLeave={() => setBar(null)}
          onClick={() => bar !== null && go(`/tasks/${bar.id}`)}
          style={{ cursor: bar === null ? "default" : "pointer" }}
        />
        {bar !== null && <Tip bar={bar} />}
      </div>
      <div class="lane-axis faint" aria-hidden="true">
        <span>{SPAN_MS / 1_000} s ago</span>
        <span>{SPAN_MS / 2_000} s</span>
        <span>now</span>
      </div>
      {(workers.value?.length ?? 0) > MAX_LANES && (
        <p class="note">
          The busiest {MAX_LANES} of {workers.value?.length} workers. <a href="/workers">See all</a>
        </p>
      )}
    </div>
  );
}

function Tip({ bar }: { readonly bar: Bar & { readonly x: number; readonly y: number } }): JSX.Element {
  const isLeft = bar.x > 220;
  return (
    <div
      class="tip"
      style={{
        top: `${bar.y + 14}px`,
        ...(isLeft ? { right: `calc(100% - ${bar.x}px)` } : { left: `${bar.x}px` }),
      }}
    >
      <b>{bar.name}</b>
      <span>
        {bar.as === "running" ? "runs for" : bar.as} {duration((bar.endedAt ?? yardNow()) - bar.startedAt)}
      </span>
      <span class="faint">
        attempt {bar.attempt} · {bar.queue}
      </span>
    </div>
  );
}

function lanesNow(): readonly Lane[] {
  const known: readonly WorkerStatus[] = workers.value ?? [];
  const busy = [...known].sort((a, b) => b.used - a.used).slice(0, MAX_LANES);
  const shown = known.length > MAX_LANES ? busy : known;
  return lanesOf(shown, visible(ends.value), running.value, MAX_ROWS);
}

function visible(all: readonly EndedAttempt[]): readonly EndedAttempt[] {
  const since = yardNow() - SPAN_MS;
  return all.filter(({ endedAt }) => endedAt > since);
}

function rowsOf(lanes: readonly Lane[], worker: string): number {
  return lanes.find((lane) => lane.worker === worker)?.rows ?? 1;
}

function heightOf(rows: number): number {
  return Math.max(MIN_LANE, rows * (ROW + GAP) - GAP + LANE_PADDING);
}

function totalHeight(lanes: readonly Lane[]): number {
  return lanes.reduce((sum, { rows }) => sum + heightOf(rows), 0);
}

function barAt(lanes: readonly Lane[], share: number, y: number): Bar | null {
  const at = yardNow() - SPAN_MS * (1 - share);
  const slackMs = SPAN_MS * 0.004;
  let top = 0;
  for (const lane of lanes) {
    const height = heightOf(lane.rows);
    const row = Math.floor((y - top - inset(lane.rows)) / (ROW + GAP));
    if (y >= top && y < top + height) {
      return (
        lane.bars.find(
          (bar) => bar.row === row && bar.startedAt - slackMs <= at && (bar.endedAt ?? at) + slackMs >= at,
        ) ?? null
      );
    }
    top += height;
  }
  return null;
}

/** Bars stand in the middle of their lane. */
function inset(rows: number): number {
  return (heightOf(rows) - (rows * (ROW + GAP) - GAP)) / 2;
}

/** A stale page stands still: nothing that moves may look like news. */
let stoodAt = 0;

function paint(canvas: HTMLCanvasElement, lanes: readonly Lane[]): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  if (freshness.value === "live") stoodAt = yardNow();
  const end = stoodAt;
  const styles = getComputedStyle(canvas);
  const colour = (name: string): string => styles.getPropertyValue(name);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = colour("--line");
  for (const share of [0.25, 0.5, 0.75]) context.fillRect(width * share, 0, 1, height);
  let top = 0;
  for (const [index, lane] of lanes.entries()) {
    if (index > 0) context.fillRect(0, top, width, 1);
    for (const bar of lane.bars) {
      const left = width * (1 - (end - bar.startedAt) / SPAN_MS);
      const right = width * (1 - (end - (bar.endedAt ?? end)) / SPAN_MS);
      if (right < 0) continue;
      context.fillStyle = colour(`--bar-${bar.as}`);
      context.beginPath();
      const y = top + inset(lane.rows) + bar.row * (ROW + GAP);
      context.roundRect(Math.max(-4, left), y, Math.max(LEAST_WIDTH, right - Math.max(-4, left)), ROW, 2.5);
      context.fill();
    }
    context.fillStyle = colour("--line");
    top += heightOf(lane.rows);
  }
}
