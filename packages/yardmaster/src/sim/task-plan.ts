import type { DefinitionPlan } from "./definition-plan.ts";

/** What a handler of the simulation may return at most. */
export const MAX_RESULT_BYTES = 10_000;

export interface TaskPlan extends Pick<DefinitionPlan, "kind" | "queue" | "attempts" | "timeoutMs"> {
  /** Its input. Tasks that share an idempotency key and are meant to be the same have the same. */
  readonly index: number;
  readonly definition: DefinitionPlan;
  readonly submitAt: number;
  readonly client: number;
  readonly priority: number;
  readonly delayMs: number;
  /** 0 for never. */
  readonly expiresInMs: number;
  /** 0 for none. */
  readonly deadlineInMs: number;
  /** Tasks with the same key are the same to the yard; null for none. */
  readonly key: string | null;
  readonly collapse: CollapsePlan | null;
  /** How long after the submission it is cancelled; null for never. */
  readonly cancelAfterMs: number | null;
  readonly handler: HandlerPlan;
}

/** How a task stands for others with its key. */
export interface CollapsePlan {
  readonly how: "debounce" | "throttle" | "replace";
  readonly key: string;
  /** How long a debounced one waits, or how long others are duplicates of a throttled one. */
  readonly ms: number;
  /** 0 for no limit to the waiting. */
  readonly maxWaitMs: number;
}

export interface HandlerPlan {
  readonly runMs: number;
  /** So many attempts fail, each in the given way, before one succeeds. */
  readonly failures: number;
  /** `die` takes its process with it. */
  readonly failure: "throw" | "final" | "retryIn" | "die";
  /** Whether it ends when it is told to, or runs on. */
  readonly heedsSignal: boolean;
  /** Pads the result, so that some results are too large to travel in messages, or to be accepted. */
  readonly resultBytes: number;
  readonly inputBytes: number;
}
