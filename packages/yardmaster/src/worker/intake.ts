import type { Delivery } from "../brokers/broker.ts";
import type { Envelope, Frame, HeartbeatAnswer } from "../protocol/envelope.ts";
import { decodeFrame } from "../protocol/frame.ts";
import type { Division } from "./division.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Runner } from "./runner.ts";
import type { ShardLink } from "./shard-link.ts";

export interface IntakeParts {
  readonly links: readonly ShardLink[];
  readonly runner: Runner;
  readonly heartbeats: Heartbeats;
  readonly division: Division;
  readonly drain: (withinMs: number | undefined) => void;
  readonly setSlots: (slots: number) => void;
  readonly report: (what: string, error: unknown) => void;
}

/** Reads what the dispatchers tell a worker, and holds it against epochs and sequences. */
export class Intake {
  readonly #parts: IntakeParts;
  /** No more tasks are taken: a new owner is told goodbye again and not hello. */
  #isLeaving = false;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  leave(): void {
    this.#isLeaving = true;
    for (const link of this.#parts.links) {
      link.wantsRegister = false;
      link.wantsGoodbye = true;
    }
  }

  /** The mailbox was opened anew, and what was in it may be lost: every dispatcher is told what is held. */
  reopened(): void {
    for (const link of this.#parts.links) {
      link.resync();
      link.framesLost();
    }
  }

  take(deliveries: readonly Delivery[]): void {
    for (const { frame } of deliveries) {
      try {
        this.#read(decodeFrame(frame));
      } catch (error) {
        // The gap that it leaves shows with the next frame.
        this.#parts.report("The worker cannot read a frame", error);
      }
    }
    this.#parts.runner.fill();
  }

  #read(frame: Frame): void {
    const link = this.#parts.links[frame.shard];
    if (link === undefined || frame.epoch < link.epoch) return;
    const isFirst = link.epoch === 0;
    const isNewOwner = frame.epoch > link.epoch;
    if (isNewOwner) this.#enter(link, frame.epoch);
    else if (frame.sequence <= link.seen) return;
    const isGap = frame.sequence > link.seen + 1;
    link.seen = frame.sequence;
    for (const envelope of frame.envelopes) this.#handle(link, envelope);
    if (isNewOwner && !isFirst) this.#resync(link);
    else if (isGap) link.framesLost();
  }

  #enter(link: ShardLink, epoch: number): void {
    link.enter(epoch);
    this.#parts.division.forgetDemand(link.shard);
    this.#parts.heartbeats.pulse.setEpoch(link.shard, epoch);
  }

  #handle(link: ShardLink, envelope: Envelope): void {
    const { runner } = this.#parts;
    switch (envelope.type) {
      case "assign":
        return runner.assign(link, link.epoch, envelope);
      case "answered":
        return link.answered(envelope.sequence);
      case "abort":
        return runner.abort(link, envelope.epoch, envelope.attempt, envelope.id, envelope.reason);
      case "heartbeatAnswer":
        return this.#heard(link, envelope);
      case "takeover":
        return this.#resync(link);
      case "drain":
        return this.#parts.drain(envelope.withinMs);
      case "slots":
        return this.#parts.setSlots(envelope.slots);
      default:
        return this.#parts.report("The worker does not take such envelopes", envelope.type);
    }
  }

  #heard(link: ShardLink, answer: HeartbeatAnswer): void {
    const { runner, heartbeats, division } = this.#parts;
    const { shard } = link;
    heartbeats.pulse.setAnswered(shard, answer.number);
    // The mailbox is in order: what was sent before this answer and is not here is lost.
    if (answer.sent > link.seen) link.framesLost();
    // Who does not know this worker may have given its tasks to others: this is no contact.
    if (answer.known) runner.contact(shard, answer.number);
    else this.#resync(link);
    division.heard(shard, answer);
  }

  #resync(link: ShardLink): void {
    link.resync();
    if (this.#isLeaving) link.wantsGoodbye = true;
    else link.wantsRegister = true;
  }
}
