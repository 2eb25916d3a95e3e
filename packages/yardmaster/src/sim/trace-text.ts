import type { Change } from "../protocol/change.ts";
import type { Envelope } from "../protocol/envelope.ts";
import { decodeFrame } from "../protocol/frame.ts";

/** A frame as a line of a trace. */
export function describeFrame(mailbox: string, frame: Uint8Array): string {
  try {
    const { from, epoch, sequence, envelopes } = decodeFrame(frame);
    return `→ ${mailbox} epoch ${epoch} sequence ${sequence} from ${from || "owner"}: ${envelopes.map(describe).join("; ")}`;
  } catch (error) {
    return `→ ${mailbox} unreadable: ${String(error)}`;
  }
}

/** One row of a commit as a line of a trace. */
export function describeChange(epoch: number, sequence: number, change: Change): string {
  const head = `${epoch}/${sequence} ${change.type}`;
  if (!("task" in change)) return head;
  const { id, state, attempt, worker, error, cancelRequested } = change.task;
  const parked = "parked" in change && change.parked ? " parked" : "";
  const cancel = cancelRequested ? " cancel requested" : "";
  return `${head} ${id} ${state}${parked} attempt ${attempt} ${worker}${cancel} ${error?.code ?? ""}`;
}

function describe(envelope: Envelope): string {
  switch (envelope.type) {
    case "submit":
      return `submit ${envelope.submission.id}${envelope.submission.copy ? " copy" : ""}`;
    case "answered":
      return `answered ${envelope.sequence}`;
    case "register":
      return `register credit ${envelope.credit}`;
    case "assign":
      return `assign ${envelope.id}/${envelope.attempt}`;
    case "outcome":
      return `outcome ${envelope.id} ${envelope.epoch}/${envelope.attempt} ${envelope.kind}`;
    case "settled":
      return `settled ${envelope.id} ${envelope.state}`;
    default:
      return JSON.stringify(envelope);
  }
}
