import type { Outcome } from "../protocol/envelope.ts";
import { decodeFrame } from "../protocol/frame.ts";
import type { SimProcess } from "./sim-process.ts";

/** Tells the history what a worker says of its attempts, and what it hears of that. */
export class OutcomeWatch {
  readonly #process: SimProcess;
  /** By shard and number of the frame. */
  readonly #unanswered = new Map<string, readonly Outcome[]>();

  constructor(process: SimProcess) {
    this.#process = process;
  }

  sent(bytes: Uint8Array): void {
    const { shard, sequence, envelopes } = decodeFrame(bytes);
    const outcomes = envelopes.filter((envelope) => envelope.type === "outcome");
    if (outcomes.length === 0) return;
    if (sequence !== 0) this.#unanswered.set(`${shard} ${sequence}`, outcomes);
    const process = this.#process.name;
    for (const { id, attempt, epoch, kind } of outcomes)
      this.#process.observe({ type: "reported", id, attempt, epoch, process, outcome: kind });
  }

  taken(bytes: Uint8Array): void {
    const { shard, envelopes } = decodeFrame(bytes);
    for (const envelope of envelopes)
      if (envelope.type === "answered") this.#answered(shard, envelope.sequence);
  }

  /** What is handed back may be given to the same worker again, under the same number, before it hears of it. */
  #answered(shard: number, sequence: number): void {
    const name = `${shard} ${sequence}`;
    const process = this.#process.name;
    for (const { id, attempt, epoch, kind } of this.#unanswered.get(name) ?? [])
      if (kind !== "returned") this.#process.observe({ type: "answered", id, attempt, epoch, process });
    this.#unanswered.delete(name);
  }
}
