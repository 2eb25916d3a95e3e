import type { GraphTask } from "yardmaster/http-client";
import { isTerminalState } from "../states.ts";

export const NODE_WIDTH = 176;
export const NODE_HEIGHT = 40;
const COLUMN_GAP = 56;
const ROW_GAP = 12;
const MARGIN = 8;
const SWEEPS = 4;

export interface Place {
  readonly node: GraphTask;
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly places: readonly Place[];
  readonly edges: readonly { readonly from: Place; readonly to: Place; readonly isDone: boolean }[];
  readonly width: number;
  readonly height: number;
}

/**
 * Columns by the longest way from a task that waits for nothing; within a column tasks stand by the mean place of what
 * they hang together with (the barycentre heuristic of Sugiyama, Tagawa and Toda, 1981).
 */
export function laidOut(nodes: readonly GraphTask[]): Layout {
  const byPlace = new Map(nodes.map((node) => [node.place, node]));
  const columns = columnsOf(nodes, byPlace);
  const dependents = new Map<number, number[]>();
  for (const { place, after } of nodes)
    for (const one of after) dependents.set(one, [...(dependents.get(one) ?? []), place]);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isForward = sweep % 2 === 0;
    const order = isForward ? columns : [...columns].reverse();
    const rank = new Map(
      columns.flatMap((column) => column.map(({ place }, index): [number, number] => [place, index])),
    );
    for (const column of order) {
      const weights = new Map(
        column.map((node, index) => {
          const near = (isForward ? node.after : (dependents.get(node.place) ?? [])).flatMap(
            (one) => rank.get(one) ?? [],
          );
          return [
            node.place,
            near.length === 0 ? index : near.reduce((sum, one) => sum + one, 0) / near.length,
          ];
        }),
      );
      column.sort((a, b) => (weights.get(a.place) ?? 0) - (weights.get(b.place) ?? 0));
      for (const [index, { place }] of column.entries()) rank.set(place, index);
    }
  }
  return placed(columns, byPlace);
}

/** A task stands behind those that it waits for, so that one look at each is enough. */
function columnsOf(nodes: readonly GraphTask[], byPlace: ReadonlyMap<number, GraphTask>): GraphTask[][] {
  const depths = new Map<number, number>();
  const columns: GraphTask[][] = [];
  for (const node of [...nodes].sort((a, b) => a.place - b.place)) {
    const before = node.after.filter((one) => byPlace.has(one));
    const depth = Math.max(0, ...before.map((one) => (depths.get(one) ?? 0) + 1));
    depths.set(node.place, depth);
    const column = columns[depth] ?? [];
    column.push(node);
    columns[depth] = column;
  }
  return columns;
}

function placed(columns: readonly (readonly GraphTask[])[], byPlace: ReadonlyMap<number, GraphTask>): Layout {
  const tallest = Math.max(1, ...columns.map(({ length }) => length));
  const height = 2 * MARGIN + tallest * (NODE_HEIGHT + ROW_GAP) - ROW_GAP;
  const width = 2 * MARGIN + columns.length * (NODE_WIDTH + COLUMN_GAP) - COLUMN_GAP;
  const places = columns.flatMap((column, depth) => {
    const taken = column.length * (NODE_HEIGHT + ROW_GAP) - ROW_GAP;
    const top = (height - taken) / 2;
    return column.map((node, row) => ({
      node,
      x: MARGIN + depth * (NODE_WIDTH + COLUMN_GAP),
      y: top + row * (NODE_HEIGHT + ROW_GAP),
    }));
  });
  const placeOf = new Map(places.map((place) => [place.node.place, place]));
  const edges = places.flatMap((to) =>
    to.node.after.flatMap((one) => {
      const from = placeOf.get(one);
      const node = byPlace.get(one);
      return from === undefined || node === undefined
        ? []
        : [{ from, to, isDone: isTerminalState(node.state) }];
    }),
  );
  return { places, edges, width, height };
}
