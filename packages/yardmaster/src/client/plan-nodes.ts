import { checkDefinition } from "../definition/definition-check.ts";
import type { AnyTask } from "../definition.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";
import { MAX_AFTER, MAX_GRAPH_TASKS } from "../protocol/task.ts";
import type { Part, Shape, StepOptions } from "./plan.ts";

/** What comes of a part: the result of a node by its number, or an array of such. */
export type Value = number | readonly Value[];

/** One task of a graph. It comes after those that it waits for. */
export interface PlanNode {
  readonly task: AnyTask;
  readonly options: StepOptions;
  /** Numbers of nodes. */
  readonly after: readonly number[];
  /** Its own input, or which results that is made of. */
  readonly input: { readonly own: unknown } | { readonly fed: Value };
}

export interface PlannedGraph {
  readonly nodes: readonly PlanNode[];
  readonly value: Value;
}

/** A deeper plan is refused: code that walks it must not overflow. */
const MAX_DEPTH = 500;
/** Two large groups one after the other wait each for all of the other. */
const MAX_EDGES = 2_000_000;

/** What a part has come to: its value, and the nodes that must have ended before what comes next. */
interface Done {
  readonly value: Value;
  readonly waits: readonly number[];
}

/** Takes a plan apart into tasks, each behind those that it waits for. Throws INVALID_GRAPH. */
export function nodesOf(plan: { readonly shape: Shape }): PlannedGraph {
  const { nodes, value } = new Planner().run(plan);
  return { nodes, value };
}

class Planner {
  private readonly nodes: PlanNode[] = [];
  /** The plans that are being taken apart, the outermost first. */
  private readonly open = new Set<Shape>();
  private edges = 0;

  run(plan: Part): PlannedGraph {
    const { value } = this.take(plan, null);
    return { nodes: this.nodes, value };
  }

  private take(part: Part, before: Done | null): Done {
    if (typeof part !== "object" || part === null) throw invalid(`one of its parts is ${quoted(part)}`);
    const shape: Shape = "shape" in part ? part.shape : { type: "fed", task: part, options: {} };
    if (this.open.has(shape)) throw invalid("it contains itself");
    if (this.open.size >= MAX_DEPTH) throw invalid(`it is deeper than ${MAX_DEPTH} levels`);
    this.open.add(shape);
    const done = this.takeShape(shape, before);
    this.open.delete(shape);
    return done;
  }

  private takeShape(shape: Shape, before: Done | null): Done {
    switch (shape?.type) {
      case "call":
        return this.add(shape.task, shape.options, before?.waits ?? [], { own: shape.input });
      case "fed":
        return this.takeFed(shape.task, shape.options, before);
      case "map":
        return this.together(
          Array.from(listed(shape.inputs), (own) => this.add(shape.task, {}, before?.waits ?? [], { own })),
          before,
        );
      case "group":
        return this.together(
          Array.from(listed(shape.parts), (part) => this.take(part, before)),
          before,
        );
      case "chain": {
        let done = before;
        for (const part of listed(shape.parts)) done = this.take(part, done);
        return done ?? { value: [], waits: [] };
      }
      default:
        throw invalid("one of its parts is none that call, step, chain, group, fanOut, chord or map made");
    }
  }

  /** What waits for nothing but an empty group has its input at once. */
  private takeFed(task: AnyTask, options: StepOptions, before: Done | null): Done {
    if (before === null)
      throw invalid(`${task.name} comes first and has no input: begin with call(${task.name}, input)`);
    checkDefinition(task);
    const sources = leavesOf(before.value);
    if (sources.length === 0) return this.add(task, options, before.waits, { own: before.value });
    if (task.terms !== undefined || task.queueDefinition?.routeBy !== undefined)
      throw invalid(
        `${task.name} has keys that come of its input, which is not known before others have run: ` +
          "give it an input of its own, or leave the key functions out",
      );
    for (const one of [task, ...sources.map((source) => this.nodes[source]?.task)])
      if (one?.codec !== undefined)
        throw invalid(`results flow as JSON, and ${one.name} has a codec of its own`);
    const after = [...new Set([...sources, ...before.waits])];
    return this.add(task, options, after, { fed: before.value });
  }

  private together(parts: readonly Done[], before: Done | null): Done {
    const waits = parts.length === 0 ? (before?.waits ?? []) : parts.flatMap((part) => part.waits);
    return { value: parts.map((part) => part.value), waits: [...new Set(waits)] };
  }

  private add(task: AnyTask, options: StepOptions, after: readonly number[], input: PlanNode["input"]): Done {
    checkDefinition(task);
    if (typeof options !== "object" || options === null)
      throw invalid(`the options of ${task.name} are ${quoted(options)}`);
    this.edges += after.length;
    if (this.nodes.length >= MAX_GRAPH_TASKS) throw invalid(`it has more than ${MAX_GRAPH_TASKS} tasks`);
    if (after.length > MAX_AFTER || this.edges > MAX_EDGES)
      throw invalid("too many of its tasks wait for too many others: put a task between the groups");
    const number = this.nodes.push({ task, options, after, input }) - 1;
    return { value: number, waits: [number] };
  }
}

function listed<T>(items: Iterable<T>): Iterable<T> {
  const isList = typeof items === "object" && items !== null && typeof items[Symbol.iterator] === "function";
  return isList ? items : invalidList(items);
}

function invalidList(items: unknown): never {
  throw invalid(`where a list should be it has ${quoted(items)}`);
}

/** The nodes whose results make a value. */
export function leavesOf(value: Value): number[] {
  const leaves: number[] = [];
  collect(value, leaves);
  return leaves;
}

function collect(value: Value, leaves: number[]): void {
  if (typeof value === "number") leaves.push(value);
  else for (const part of value) collect(part, leaves);
}

export function invalid(why: string): YardmasterError {
  return new YardmasterError("INVALID_GRAPH", `The plan cannot be submitted: ${why}.`);
}
