import type { Broker, Send } from "../brokers/broker.ts";
import { controlLane } from "../engine.ts";
import { type Cancel, fraction, type Host } from "../host.ts";
import type { Handover } from "../protocol/envelope.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { ShardPost } from "./shard-post.ts";

/** How often a dispatcher looks whether it has its share, and so how long it lives before it asks for one. */
const LOOK_MS = 2_000;

/**
 * Keeps the shards spread evenly over the dispatchers that live.
 *
 * Nobody knows who all the dispatchers are, and nobody needs to: every one sees who owns each shard. Who has fewer
 * asks the one with the most, through the control lane of the shard that it wants; an owner gives a shard away only to
 * one that has at least two fewer. Each move makes the spread more even, so that moves end, with no more than
 * ⌈shards / dispatchers⌉ each, and never go back.
 */
export class Balance {
  private readonly broker: Broker;
  private readonly host: Host;
  private readonly owner: string;
  private readonly posts: readonly ShardPost[];
  private cancelLook: Cancel = () => undefined;
  private isClosed = false;

  constructor(parts: { broker: Broker; host: Host; owner: string; posts: readonly ShardPost[] }) {
    this.broker = parts.broker;
    this.host = parts.host;
    this.owner = parts.owner;
    this.posts = parts.posts;
    if (parts.posts.length > 1) this.schedule();
  }

  close(): void {
    this.isClosed = true;
    this.cancelLook();
  }

  /** Somebody wants a shard of this dispatcher's. */
  asked(post: ShardPost, { owner, shards }: Handover): void {
    if (this.isClosed || owner === this.owner || post.holder === null) return;
    if (this.heldBy(this.owner).length >= shards + 2) post.handOver(owner);
  }

  private schedule(): void {
    this.cancelLook = this.host.after(LOOK_MS * (0.75 + fraction(this.host) * 0.5), () => {
      // What was not sent is asked for next time.
      this.look().catch(() => undefined);
      if (!this.isClosed) this.schedule();
    });
  }

  private async look(): Promise<void> {
    const wanted = this.wanted();
    if (wanted.length === 0) return;
    const mine = this.heldBy(this.owner).length;
    await this.broker.send(wanted.map((post, index) => this.request(post, mine + index)));
    for (const post of wanted) post.hurry();
  }

  /** The shards to ask for: from whoever has the most, one after the other, until nobody has two more. */
  private wanted(): ShardPost[] {
    const byOwner = Map.groupBy(
      this.posts.filter(({ holder }) => holder !== null),
      ({ holder }) => holder?.owner ?? "",
    );
    let mine = byOwner.get(this.owner)?.length ?? 0;
    byOwner.delete(this.owner);
    const wanted: ShardPost[] = [];
    for (;;) {
      const most = [...byOwner.values()].reduce<ShardPost[]>((a, b) => (b.length > a.length ? b : a), []);
      if (most.length < mine + 2) return wanted;
      // Whoever asks at the same time asks for another one.
      wanted.push(...most.splice(this.host.random() % most.length, 1));
      mine += 1;
    }
  }

  private heldBy(owner: string): ShardPost[] {
    return this.posts.filter(({ holder }) => holder?.owner === owner);
  }

  /** For this ownership of the shard only: who has it later is asked anew. */
  private request({ shard, holder }: ShardPost, shards: number): Send {
    const envelopes = [{ type: "handover", owner: this.owner, epoch: holder?.epoch ?? 0, shards }] as const;
    const frame = encodeFrame({ from: "", shard, epoch: 0, sequence: 0, envelopes });
    return { mailbox: controlLane(shard), frame };
  }
}
