import type { Delivery } from "../brokers/broker.ts";
import { controlLane, type Engine, submitLane } from "../engine.ts";
import { Lane, type LaneEvents } from "./lane.ts";
import type { Quarantine } from "./quarantine.ts";

/**
 * Everything that a shard's owner takes in: the control lane, which is always drained, and the submissions, from the
 * submit lane and, where callers' transactions end in the store's own mailboxes, from there.
 */
export class Inputs {
  private readonly engine: Engine;
  private readonly shard: number;
  private readonly on: LaneEvents;
  private control: Lane | null = null;
  private submissions: Lane[] = [];
  private isClosed = false;

  constructor(engine: Engine, shard: number, on: LaneEvents) {
    this.engine = engine;
    this.shard = shard;
    this.on = on;
  }

  async openControl(): Promise<void> {
    const mailbox = controlLane(this.shard);
    this.control = await this.keep(Lane.open(mailbox, this.engine.broker.receive(mailbox), this.on));
  }

  async openSubmissions(): Promise<void> {
    const { broker, outbox } = this.engine;
    const mailbox = submitLane(this.shard);
    this.submissions.push(await this.keep(Lane.open(mailbox, broker.receive(mailbox), this.on)));
    if (outbox === undefined) return;
    const opening = Lane.open(outbox.mailbox(this.shard), outbox.receive(this.shard), this.on);
    this.submissions.push(await this.keep(opening));
  }

  get isEmpty(): boolean {
    return this.control?.isEmpty !== false && this.submissions.every((lane) => lane.isEmpty);
  }

  /** What has arrived, control first; what a refused commit makes suspect goes alone. */
  drain(quarantine: Quarantine): Delivery[] {
    const control = this.control?.drain() ?? [];
    const submitted = this.drainSubmissions();
    const share = quarantine.select(control, submitted);
    if (share.control < control.length) this.control?.putBack(control.splice(share.control));
    if (share.submit < submitted.length) {
      const left = submitted.splice(share.submit);
      for (const lane of this.submissions)
        lane.putBack(left.filter(({ mailbox }) => mailbox === lane.mailbox));
    }
    return submitted.length === 0 ? control : [...control, ...submitted];
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const lanes = [this.control, ...this.submissions];
    this.control = null;
    this.submissions = [];
    await Promise.allSettled(lanes.map((lane) => lane?.close()));
  }

  private drainSubmissions(): Delivery[] {
    const [submit, ...others] = this.submissions;
    const submitted = submit?.drain() ?? [];
    for (const lane of others) submitted.push(...lane.drain());
    return submitted;
  }

  /** A lane that opens too late is closed again: its frames are another owner's. */
  private async keep(opening: Promise<Lane>): Promise<Lane> {
    const lane = await opening;
    if (this.isClosed) await lane.close();
    return lane;
  }
}
