import type { JSX } from "preact";
import type { GraphTask } from "yardmaster/http-client";
import { laidOut, NODE_HEIGHT, NODE_WIDTH } from "./graph-layout.ts";

const MAX_NAME = 20;

/** Tasks as boxes, each to the right of those that it waits for. */
export function GraphDrawing({
  nodes,
  current,
}: {
  readonly nodes: readonly GraphTask[];
  readonly current?: string;
}): JSX.Element {
  const { places, edges, width, height } = laidOut(nodes);
  return (
    <div class="graph" role="group" aria-label={`Graph of ${nodes.length} tasks`}>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        aria-label="Tasks and what they wait for"
        role="group"
      >
        {edges.map(({ from, to, isDone }) => {
          const [x1, y1] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2];
          const [x2, y2] = [to.x, to.y + NODE_HEIGHT / 2];
          const bend = Math.max(18, (x2 - x1) / 2);
          return (
            <path
              key={`${from.node.id} ${to.node.id}`}
              class={isDone ? "edge done" : "edge"}
              d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
            />
          );
        })}
        {places.map(({ node, x, y }) => (
          <a
            key={node.id}
            href={`/tasks/${node.id}`}
            class={`node state-${node.state} ${node.id === current ? "current" : ""}`}
            aria-label={`${node.name}, ${node.state}`}
          >
            <title>{`${node.name} ${node.id}: ${node.state}`}</title>
            <rect x={x} y={y} width={NODE_WIDTH} height={NODE_HEIGHT} rx={8} />
            <circle cx={x + 14} cy={y + NODE_HEIGHT / 2} r={4} />
            <text x={x + 26} y={y + 17}>
              {cut(node.name)}
            </text>
            <text class="node-state" x={x + 26} y={y + 31}>
              {node.state}
            </text>
          </a>
        ))}
      </svg>
    </div>
  );
}

function cut(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 1)}…` : name;
}
