import type { Send } from "../brokers/broker.ts";
import type { Outgoing } from "../kernel/effects.ts";
import { FrameWriter } from "../protocol/frame.ts";
import type { Epoch } from "../protocol/task.ts";

/** Turns what the kernel wants to say into frames. One writer is used again for all of them. */
export class FrameEncoder {
  private readonly writer = new FrameWriter();
  private readonly shard: number;
  private readonly epoch: Epoch;

  constructor(shard: number, epoch: Epoch) {
    this.shard = shard;
    this.epoch = epoch;
  }

  encode(outgoing: readonly Outgoing[]): Send[] {
    const sends: Send[] = [];
    for (const { mailbox, sequence, envelopes } of outgoing) {
      this.writer.begin("", this.shard, this.epoch, sequence);
      for (const envelope of envelopes) this.writer.add(envelope);
      sends.push({ mailbox, frame: this.writer.finish() });
    }
    return sends;
  }
}
