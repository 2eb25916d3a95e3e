import { createHash } from "node:crypto";
import type { Delivery } from "../brokers/broker.ts";

/**
 * Finds what makes a commit fail for its content. Outlives the reloads of a shard.
 *
 * The frames of a refused tick become suspects, and after the reload each of them is tried in a tick of its own. One
 * that is refused alone is broken: it is taken apart, envelope by envelope, until those to blame are known.
 */
export class Quarantine {
  readonly #suspects = new Set<string>();
  /** By broken frame: how often each of its envelopes was refused alone. */
  readonly #broken = new Map<string, Map<number, number>>();

  /** How many frames from the front of each lane may share a tick. What is under suspicion goes first, and alone. */
  select(control: readonly Delivery[], submit: readonly Delivery[]): { control: number; submit: number } {
    if (this.#isEmpty) return { control: control.length, submit: submit.length };
    const ofControl = this.#innocent(control);
    if (ofControl === 0 && control.length > 0) return { control: 1, submit: 0 };
    const ofSubmit = this.#innocent(submit);
    if (ofSubmit === 0 && submit.length > 0) return { control: 0, submit: 1 };
    return { control: ofControl, submit: ofSubmit };
  }

  isBroken(delivery: Delivery): boolean {
    return this.#broken.size > 0 && this.#broken.has(markOf(delivery));
  }

  /** How often an envelope of a broken frame was refused alone. */
  blames(delivery: Delivery, index: number): number {
    return this.#broken.get(markOf(delivery))?.get(index) ?? 0;
  }

  /** A tick with these frames was refused for its content. */
  refused(deliveries: readonly Delivery[]): void {
    const [alone, ...others] = deliveries;
    if (alone !== undefined && others.length === 0) this.#broken.set(markOf(alone), new Map());
    else for (const delivery of deliveries) this.#suspects.add(markOf(delivery));
  }

  /** An envelope of a broken frame was refused alone. */
  blame(delivery: Delivery, index: number): void {
    this.#broken.get(markOf(delivery))?.set(index, this.blames(delivery, index) + 1);
  }

  /** A tick with these frames is done. */
  cleared(deliveries: readonly Delivery[]): void {
    if (this.#isEmpty) return;
    for (const delivery of deliveries) {
      this.#suspects.delete(markOf(delivery));
      this.#broken.delete(markOf(delivery));
    }
  }

  /** Others own the shard now: what they take is not known here. */
  forget(): void {
    this.#suspects.clear();
    this.#broken.clear();
  }

  get #isEmpty(): boolean {
    return this.#suspects.size + this.#broken.size === 0;
  }

  /** How many frames from the front are not under suspicion. */
  #innocent(deliveries: readonly Delivery[]): number {
    const first = deliveries.findIndex((delivery) => {
      const mark = markOf(delivery);
      return this.#suspects.has(mark) || this.#broken.has(mark);
    });
    return first === -1 ? deliveries.length : first;
  }
}

/** A frame's content: an adapter's tag may mean another frame to the next receiver. */
function markOf({ frame }: Delivery): string {
  return createHash("sha256").update(frame).digest("base64");
}
