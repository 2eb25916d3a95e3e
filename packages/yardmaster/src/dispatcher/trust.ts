import type { Delivery, Send } from "../brokers/broker.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { CLIENT_PREFIX, isWorkerMailbox } from "../protocol/mailbox.ts";
import type { Lease } from "../stores/store.ts";
import type { OpenedFrame, Unreadable } from "./intake.ts";

/** No more mailboxes are told in one tick. */
const MAX_NOTICES = 16;

/**
 * What becomes of frames whose signature does not hold. Until one of another process holds, it may be this dispatcher that
 * has the wrong keys: so long they stay in their lanes, so that nothing is lost by it. From then on they are thrown away.
 */
export class Trust {
  private isProven = false;
  private readonly claimed = new Set<string>();

  /** Those that are not to be acknowledged. */
  judge(
    frames: readonly OpenedFrame[],
    unreadable: readonly Unreadable[],
    newer: readonly Unreadable[],
  ): ReadonlySet<Delivery> {
    if (unreadable.length + newer.length === 0 && this.isProven) return NOTHING;
    this.isProven ||= frames.some(({ isForeign }) => isForeign === true);
    const left = new Set(newer.map(({ delivery }) => delivery));
    for (const { delivery, claimed } of [...unreadable, ...newer]) {
      if (claimed === null) continue;
      if (!this.isProven) left.add(delivery);
      if (this.claimed.size < MAX_NOTICES && isProcess(claimed)) this.claimed.add(claimed);
    }
    return left;
  }

  /** An empty frame for each who claims to have sent such a one: who has other keys cannot trust it, and so learns that. */
  notices({ shard, epoch }: Lease): Send[] {
    if (this.claimed.size === 0) return [];
    const frame = encodeFrame({ from: "", shard, epoch, sequence: 0, envelopes: [] });
    const sends = [...this.claimed].map((mailbox) => ({ mailbox, frame }));
    this.claimed.clear();
    return sends;
  }
}

const NOTHING: ReadonlySet<Delivery> = new Set();

function isProcess(mailbox: string): boolean {
  return mailbox.startsWith(CLIENT_PREFIX) || isWorkerMailbox(mailbox);
}
