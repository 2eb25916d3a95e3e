import type { Command } from "commander";
import { type GraphPage, type GraphStatus, type GraphSummary, unknownGraph } from "../../client/graphs.ts";
import { MAX_GRAPH_TASKS } from "../../protocol/task.ts";
import type { Yard } from "../../yard.ts";
import { EXIT } from "../exit-code.ts";
import { whole } from "../options.ts";
import { outputOf } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

const MAX_LIMIT = 1_000;
const SHOWN_ARROWS = 10;

/** The commands about graphs: list, show, cancel. */
export function addGraphs(program: Command, exit: Exit): void {
  const graphs = program.command("graph").description("look at tasks that belong together");
  graphs
    .command("list")
    .description("list the newest open graphs and the last ones that ended")
    .option("--limit <number>", "at most so many (default: 100)", whole(1, MAX_LIMIT))
    .action(async (options: { limit?: number }, command: Command) => exit(await list(command, options)));
  graphs
    .command("show <id>")
    .description("show a graph, by its id or that of one of its tasks, and what its tasks wait for")
    .option("--from <place>", "the task to start at (default: 0)", whole(0, MAX_GRAPH_TASKS))
    .option("--limit <number>", "so many tasks at most (default: 100)", whole(1, MAX_LIMIT))
    .action(async (id: string, options: GraphPage, command: Command) =>
      exit(await show(command, id, options)),
    );
  graphs
    .command("cancel <id>")
    .description("cancel what has not ended of a graph; ends when none of it can start")
    .option("--reason <text>", "kept in the tasks' records", "")
    .action(async (id: string, { reason }: { reason: string }, command: Command) =>
      exit(await cancel(command, id, reason)),
    );
}

function list(command: Command, options: { readonly limit?: number }): Promise<number> {
  return withYard(command, async (yard) => {
    outputOf(command).list(await yard.graphs.list(options), {
      headings: ["GRAPH", "STATE", "TASKS", "ENDED", "FAILED", "SINCE"],
      row: (graph) => [
        graph.id,
        stateOf(graph),
        String(graph.members),
        String(graph.ended),
        String(graph.failed ?? ""),
        graph.openedAt ?? "",
      ],
      json: (graph) => graph,
      none: "no graphs",
    });
    return EXIT.ok;
  });
}

function show(command: Command, id: string, page: GraphPage): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const graph = await graphOf(yard, id, page);
    if (output.json) output.emit(graph);
    else {
      output.note(`graph ${graph.id}: ${stateOf(graph)}, ${graph.ended} of ${graph.members} tasks ended`);
      output.list(graph.tasks, {
        headings: ["PLACE", "AFTER", "ID", "NAME", "STATE"],
        row: ({ place, after, waitsFor, id: task, name, state, code }) => [
          String(place),
          shownPlaces(after, waitsFor),
          task,
          name,
          code === null ? state : `${state} ${code}`,
        ],
        json: (task) => task,
        none: "no tasks from there on",
      });
      if (graph.next !== null) output.note(`there are more: --from ${graph.next}`);
    }
    return EXIT.ok;
  });
}

function cancel(command: Command, id: string, reason: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const { id: graph, state } = await graphOf(yard, id, { limit: 1 });
    await yard.graphs.cancel(graph, reason);
    output.say(state === "ended" ? `${graph} had ended before` : `cancelled ${graph}`);
    output.emit({ id: graph, cancelled: state !== "ended" });
    return EXIT.ok;
  });
}

async function graphOf(yard: Yard, id: string, page: GraphPage): Promise<GraphStatus> {
  const graph = await yard.graphs.get(id, page);
  if (graph === null) throw unknownGraph(id);
  return graph;
}

function stateOf({ state, cancelled }: GraphSummary): string {
  return cancelled ? `${state}, cancelled` : state;
}

function shownPlaces(after: readonly number[], waitsFor: number): string {
  const shown = after.slice(0, SHOWN_ARROWS).join(" ");
  return waitsFor > SHOWN_ARROWS ? `${shown} … (${waitsFor})` : shown;
}
