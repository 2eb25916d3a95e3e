import type { SimProcess } from "./sim-process.ts";
import type { HandlerPlan, TaskPlan } from "./task-plan.ts";

/** The name of a task in a history: tasks that share an idempotency key are one task to the yard. */
export function labelOf({ index }: { readonly index: number }): string {
  return `task ${index}`;
}

export type HandlerEnd =
  | { readonly type: "returned"; readonly result: { readonly index: number; readonly padding: string } }
  | { readonly type: "threw"; readonly message: string }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "retryIn"; readonly delayMs: number };

/** What a handler is told of its attempt. */
export interface HandlerCall {
  readonly taskId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/** Plays one attempt of a task in a worker process: takes its time, has its effect, and ends as planned. */
export async function playAttempt(
  process: SimProcess,
  task: TaskPlan,
  call: HandlerCall,
): Promise<HandlerEnd> {
  const run = { id: call.taskId, attempt: call.attempt, process: process.name };
  const label = labelOf(task);
  process.observe({ type: "started", label, ...run });
  process.note("started", `${label} attempt ${call.attempt}`);
  const stopped = await waitFor(process, task.handler, call);
  const dies = task.handler.failure === "die" && call.attempt <= Math.min(2, task.handler.failures);
  if (dies && !stopped) process.crash(`${label} was its death`);
  if (!process.alive) return new Promise<never>(() => undefined);
  if (!stopped) process.observe({ type: "effect", ...run });
  process.observe({ type: "ended", ...run });
  process.note("ended", `${label} attempt ${call.attempt}${stopped ? " early" : ""}`);
  return stopped ? { type: "threw", message: "stopped" } : endOf(task, call.attempt);
}

/** Resolves with true as soon as a handler that heeds its signal is told to end. */
function waitFor(process: SimProcess, plan: HandlerPlan, call: HandlerCall): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = process.host.after(plan.runMs, () => resolve(false));
    if (!plan.heedsSignal) return;
    const { signal } = call;
    const stop = (): void => {
      cancel();
      resolve(true);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

function endOf({ index, handler }: TaskPlan, attempt: number): HandlerEnd {
  if (attempt <= handler.failures) {
    const message = `planned failure ${attempt} of ${handler.failures}`;
    if (handler.failure === "throw" || handler.failure === "die") return { type: "threw", message };
    if (handler.failure === "final") return { type: "failed", message };
    return { type: "retryIn", delayMs: 250 };
  }
  return { type: "returned", result: { index, padding: "x".repeat(handler.resultBytes) } };
}
