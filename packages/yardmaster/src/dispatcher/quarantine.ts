import type { Delivery } from "../brokers/broker.ts";

/**
 * Finds the frame that makes a commit fail for its content. Outlives the ownerships of a shard.
 *
 * The frames of a refused tick become suspects; after the reload each is tried in a tick of its own, and one that is
 * refused alone is the culprit: from then on it is acknowledged without being applied.
 */
export class Quarantine {
  private readonly suspects = new Set<string>();
  private readonly culprits = new Set<string>();

  isCulprit(delivery: Delivery): boolean {
    return this.culprits.has(markOf(delivery));
  }

  /** How many of these, from the front, may share a tick: all, or one when there is a suspect among them. */
  allowed(deliveries: readonly Delivery[]): number {
    if (this.suspects.size === 0) return deliveries.length;
    return deliveries.some((delivery) => this.suspects.has(markOf(delivery))) ? 1 : deliveries.length;
  }

  /** A tick with these frames was refused for its content. */
  refused(deliveries: readonly Delivery[]): void {
    const [alone, ...others] = deliveries;
    if (alone !== undefined && others.length === 0) this.culprits.add(markOf(alone));
    else for (const delivery of deliveries) this.suspects.add(markOf(delivery));
  }

  /** A tick with these frames is done: they will not come again. */
  cleared(deliveries: readonly Delivery[]): void {
    if (this.suspects.size + this.culprits.size === 0) return;
    for (const delivery of deliveries) {
      this.suspects.delete(markOf(delivery));
      this.culprits.delete(markOf(delivery));
    }
  }
}

function markOf(delivery: Delivery): string {
  return `${delivery.mailbox}#${delivery.tag}`;
}
