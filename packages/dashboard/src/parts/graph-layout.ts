import type { GraphNode } from "yardmaster/http-client";
import { isTerminalState } from "../states.ts";

export const NODE_WIDTH = 176;
export const NODE_HEIGHT = 40;
const COLUMN_GAP = 56;
const ROW_GAP = 12;
const MARGIN = 8;
const SWEEPS = 4;

export interface Place {
  readonly node: GraphNode;
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
export function laidOut(nodes: readonly GraphNode[]): Layout {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const columns = columnsOf(nodes, byId);
  const dependents = new Map<string, string[]>();
  for (const { id, after } of nodes)
    for (const one of after) dependents.set(one, [...(dependents.get(one) ?? []), id]);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isForward = sweep % 2 === 0;
    const order = isForward ? columns : [...columns].reverse();
    const rank = new Map(
      columns.flatMap((column) => column.map(({ id }, index): [string, number] => [id, index])),
    );
    for (const column of order) {
      const weights = new Map(
        column.map((node, index) => {
          const near = (isForward ? node.after : (dependents.get(node.id) ?? [])).flatMap(
            (id) => rank.get(id) ?? [],
          );
          return [node.id, near.length === 0 ? index : near.reduce((sum, one) => sum + one, 0) / near.length];
        }),
      );
      column.sort((a, b) => (weights.get(a.id) ?? 0) - (weights.get(b.id) ?? 0));
      for (const [index, { id }] of column.entries()) rank.set(id, index);
    }
  }
  return placed(columns, byId);
}

function columnsOf(nodes: readonly GraphNode[], byId: ReadonlyMap<string, GraphNode>): GraphNode[][] {
  const depths = new Map<string, number>();
  // In the order of their ids tasks stand behind those that they wait for, nearly always: a few rounds settle the rest.
  const inOrder = [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (let round = 0, isMoved = true; isMoved && round < nodes.length; round++) {
    isMoved = false;
    for (const { id, after } of inOrder) {
      const depth = Math.max(
        0,
        ...after.filter((one) => byId.has(one)).map((one) => (depths.get(one) ?? 0) + 1),
      );
      if (depths.get(id) === depth) continue;
      depths.set(id, depth);
      isMoved = true;
    }
  }
  const columns: GraphNode[][] = [];
  for (const node of inOrder) {
    const depth = depths.get(node.id) ?? 0;
    const column = columns[depth] ?? [];
    column.push(node);
    columns[depth] = column;
  }
  return columns.filter((column) => column !== undefined);
}

function placed(columns: readonly (readonly GraphNode[])[], byId: ReadonlyMap<string, GraphNode>): Layout {
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
  const placeOf = new Map(places.map((place) => [place.node.id, place]));
  const edges = places.flatMap((to) =>
    to.node.after.flatMap((id) => {
      const from = placeOf.get(id);
      const node = byId.get(id);
      return from === undefined || node === undefined
        ? []
        : [{ from, to, isDone: isTerminalState(node.state) }];
    }),
  );
  return { places, edges, width, height };
}
