import { encodeJson } from "../definition/json.ts";
import type { ByteString } from "../protocol/bytes.ts";
import { shardOfQueue } from "../protocol/shards.ts";
import type { TaskId, TaskLinks } from "../protocol/task.ts";
import type { Tracing } from "../tracing.ts";
import { Graph } from "./graph-handle.ts";
import type { TaskHandle } from "./handle.ts";
import type { Plan } from "./plan.ts";
import { nodesOf, type PlanNode, type Value } from "./plan-nodes.ts";
import { checkHome } from "./routing.ts";
import { type Draft, draft, fedDraft } from "./submission.ts";
import type { Switchboard } from "./switchboard.ts";
import { withTrace } from "./traced.ts";

/**
 * Submits all tasks of a plan, to the shard of the first one's queue: the dispatcher starts none of them before all
 * have arrived.
 */
export async function submitGraph(
  switchboard: Switchboard,
  plan: Plan,
  now: number,
  tracing: Tracing | null,
): Promise<Graph> {
  const { nodes, value } = nodesOf(plan);
  const drafts = await draftsOf(nodes, now);
  const [first] = drafts;
  const send = (trace: string): Promise<Graph> => sendGraph(switchboard, nodes, value, traced(drafts, trace));
  if (tracing === null || first === undefined) return send("");
  const { name, queue } = first.spec;
  return tracing.sending({ name, queue, count: drafts.length, trace: first.terms?.trace ?? "" }, send);
}

function traced(drafts: readonly Draft[], trace: string): readonly Draft[] {
  return trace === "" ? drafts : drafts.map((one) => withTrace(one, trace));
}

async function sendGraph(
  switchboard: Switchboard,
  nodes: readonly PlanNode[],
  value: Value,
  drafts: readonly Draft[],
): Promise<Graph> {
  const [first] = drafts;
  const { shards } = switchboard.engine;
  const shard = first === undefined ? 0 : shardOfQueue(first.route ?? first.spec.queue, shards);
  for (const [index, one] of drafts.entries()) {
    const task = nodes[index]?.task;
    if (task !== undefined) checkHome(one, task, shard, shards);
  }
  const [graph = "", ...ids] = switchboard.idsFor(shard, nodes.length + 1);
  const sent = drafts.map((one, index): Promise<TaskHandle> => {
    const { task, after, input, options } = nodes[index] as PlanNode;
    const links: TaskLinks = {
      graph,
      members: nodes.length,
      after: after.map((number) => ids[number] ?? ""),
      onFailure: options.ifDependencyFails ?? "fail",
      fed: "fed" in input,
    };
    return switchboard.sendAs(ids[index] ?? "", { ...one, links }, task);
  });
  const cancel = (id: TaskId, reason: string): ReturnType<Switchboard["cancel"]> =>
    switchboard.cancel(id, reason);
  return new Graph(graph, await Promise.all(sent), value, cancel);
}

/** Everything is checked before anything is sent. */
async function draftsOf(nodes: readonly PlanNode[], now: number): Promise<Draft[]> {
  const drafts: Draft[] = [];
  for (const { task, options, input, after } of nodes) {
    if ("fed" in input) drafts.push(fedDraft(task, recipe(input.fed, after), options, now));
    else {
      const drafted = draft(task, input.own, options, now);
      drafts.push(drafted instanceof Promise ? await drafted : drafted);
    }
  }
  return drafts;
}

/** Which of the results of `after` make an input: no bytes at all for all of them in their order. */
function recipe(value: Value, after: readonly number[]): ByteString {
  const isAll =
    typeof value !== "number" &&
    value.length === after.length &&
    value.every((part, index) => part === after[index]);
  if (isAll) return "";
  const places = new Map(after.map((number, place) => [number, place]));
  return encodeJson(placed(value, places));
}

function placed(value: Value, places: ReadonlyMap<number, number>): Value {
  return typeof value === "number" ? (places.get(value) ?? 0) : value.map((part) => placed(part, places));
}
