import type { Envelope } from "../protocol/envelope.ts";

/** What becomes of an envelope that the store does not take. */
export interface StandIn {
  /** Applied in its place; null for nothing. */
  readonly envelope: Envelope | null;
  /** For the operator; without payload. */
  readonly notice: string;
  /** What its sender is told; null where it waits for no answer. */
  readonly refusal: { readonly to: string; readonly envelope: Envelope } | null;
}

/**
 * An outcome that was refused once is replaced by a failure, so that its task ends. Nothing takes the place of anything
 * else, nor of that failure when it is refused too.
 */
export function standInFor(refused: Envelope, refusals: number): StandIn {
  const message = `The store does not take this ${refused.type}.`;
  const notice = "id" in refused ? `${message} Task ${refused.id}.` : message;
  if (refused.type === "submit") {
    const { id, replyTo } = refused.submission;
    const refusal = {
      type: "accepted",
      id,
      outcome: "refused",
      of: "",
      code: "TASK_REFUSED",
      message,
    } as const;
    return { envelope: null, notice, refusal: { to: replyTo, envelope: refusal } };
  }
  if (refused.type !== "outcome" || refusals > 1) return { envelope: null, notice, refusal: null };
  const error = { code: "RESULT_INVALID", message, stack: "" };
  return { envelope: { ...refused, kind: "final", result: "", error }, notice, refusal: null };
}
