import type { AnyTask, TaskDefinition, TaskTypes } from "../definition.ts";
import type { SubmitOptions } from "./submission.ts";

/** How a task of a plan differs from its definition's defaults. */
export interface StepOptions
  extends Omit<SubmitOptions, "tx" | "idempotencyKey" | "idempotencyWindowMs" | "after"> {}

/** One part of a plan: takes the output of the part before it as its input. */
export interface Step<Input = never, Output = unknown> {
  /** Never set: keeps the two types for inference. */
  readonly "~types"?: TaskTypes<Input, Output, unknown, unknown>;
}

/** Tasks that are submitted together, and what comes of them: made by `call`, `chain`, `group`, `chord` and `map`. */
export interface Plan<Output = unknown> extends Step<unknown, Output> {
  readonly shape: Shape;
}

/** What a plan is made of. */
export type Shape =
  | { readonly type: "call"; readonly task: AnyTask; readonly input: unknown; readonly options: StepOptions }
  | { readonly type: "fed"; readonly task: AnyTask; readonly options: StepOptions }
  | { readonly type: "chain" | "group"; readonly parts: readonly Part[] }
  | { readonly type: "map"; readonly task: AnyTask; readonly inputs: Iterable<unknown> };

/** As callers may write it: a definition stands for itself. */
export type Part = { readonly shape: Shape } | AnyTask;

type AnyStep = AnyTask & Step<unknown, unknown>;
type AnyPart = AnyStep | (Step<unknown, unknown> & { readonly shape: Shape });

type InputOf<Part> = Part extends { readonly "~types"?: TaskTypes<infer Input, unknown, unknown, unknown> }
  ? Input
  : never;
type OutputOf<Part> = Part extends { readonly "~types"?: TaskTypes<unknown, infer Output, unknown, unknown> }
  ? Output
  : never;
type Outputs<Parts extends readonly unknown[]> = { -readonly [Key in keyof Parts]: OutputOf<Parts[Key]> };
/** Each part takes what the one before it gives. */
type Fitting<Given, Parts> = Parts extends readonly [infer First, ...infer Rest]
  ? [[Given] extends [InputOf<First>] ? First : never, ...Fitting<OutputOf<First>, Rest>]
  : [];
type Last<Given, Parts> = Parts extends readonly [...unknown[], infer End] ? OutputOf<End> : Given;

/**
 * One task with its input, as a plan.
 *
 * @example
 * const graph = await yard.submitGraph(chain(call(fetchPage, { url }), parse, store));
 */
export function call<Input, Output, Parsed, Returned>(
  definition: TaskDefinition<Input, Output, Parsed, Returned>,
  input: Input,
  options: StepOptions = {},
): Plan<Output> {
  // The types only narrow what may be planned with it; nothing below looks at them.
  return plan({ type: "call", task: definition as unknown as AnyTask, input, options });
}

/** A definition within a chain, with options of its own. */
export function step<Input, Output, Parsed, Returned>(
  definition: TaskDefinition<Input, Output, Parsed, Returned>,
  options: StepOptions,
): Step<Input, Output> & { readonly shape: Shape } {
  // As in `call`.
  return plan({ type: "fed", task: definition as unknown as AnyTask, options });
}

/**
 * One after another: each definition gets the result of the part before it, which never passes through the client.
 * A plan in the middle keeps its own inputs and only waits. The results of a group arrive as an array, in its order.
 */
export function chain<Output, const Steps extends readonly AnyPart[]>(
  first: Plan<Output>,
  ...steps: Steps & Fitting<Output, Steps>
): Plan<Last<Output, Steps>> {
  return plan({ type: "chain", parts: [first, ...steps] });
}

/** Plans side by side: their results are one array, in their order, and an empty one's is `[]`. */
export function group<const Plans extends readonly Plan[]>(plans: Plans): Plan<Outputs<Plans>> {
  return plan({ type: "group", parts: plans });
}

/** Within a chain: each of these gets the result of the part before, and their results are one array. */
export function fanOut<const Steps extends readonly AnyPart[]>(
  ...steps: Steps
): Step<Common<Steps>, Outputs<Steps>> & { readonly shape: Shape } {
  return plan({ type: "group", parts: steps });
}

type Common<Steps extends readonly unknown[]> = Steps extends readonly [infer First, ...infer Rest]
  ? InputOf<First> & Common<Rest>
  : unknown;

/** A group, then a body with the array of its results: `chain(group(plans), body)`. */
export function chord<const Plans extends readonly Plan[], const Body extends AnyPart>(
  plans: Plans,
  body: [Outputs<Plans>] extends [InputOf<Body>] ? Body : never,
): Plan<OutputOf<Body>> {
  return plan({ type: "chain", parts: [plan({ type: "group", parts: plans }), body] });
}

/** One task for each input: the results are one array, in their order. */
export function map<Input, Output, Parsed, Returned>(
  definition: TaskDefinition<Input, Output, Parsed, Returned>,
  inputs: Iterable<Input>,
): Plan<Output[]> {
  // As in `call`.
  return plan({ type: "map", task: definition as unknown as AnyTask, inputs });
}

function plan(shape: Shape): { readonly shape: Shape } {
  return Object.freeze({ shape: Object.freeze(shape) });
}
