import { NO_TERMS } from "../definition/terms.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Tracing } from "../tracing.ts";
import type { Draft } from "./submission.ts";

/** Sends a draft, which carries the trace in which it is sent where somebody traces. Hot. */
export function traced<T extends { readonly id: TaskId }>(
  tracing: Tracing | null,
  draft: Draft,
  send: (draft: Draft) => Promise<T>,
): Promise<T> {
  if (tracing === null) return send(draft);
  const { name, queue } = draft.spec;
  const { trace = "" } = draft.terms ?? NO_TERMS;
  return tracing.sending({ name, queue, count: 1, trace }, (trace) => send(withTrace(draft, trace)));
}

export function withTrace(draft: Draft, trace: string): Draft {
  return trace === "" ? draft : { ...draft, terms: { ...(draft.terms ?? NO_TERMS), trace } };
}
