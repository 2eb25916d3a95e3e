import type { Delivery, Receiver } from "../brokers/broker.ts";
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
  /** All that are to be closed: one that is still on its way to its place above too. */
  private readonly opened: Lane[] = [];
  private isClosed = false;

  constructor(engine: Engine, shard: number, on: LaneEvents) {
    this.engine = engine;
    this.shard = shard;
    this.on = on;
  }

  async openControl(): Promise<void> {
    this.control = await this.open(controlLane(this.shard), { isSubmissions: false });
  }

  async openSubmissions(): Promise<void> {
    const { outbox } = this.engine;
    this.submissions.push(await this.open(submitLane(this.shard), { isSubmissions: true }));
    if (outbox === undefined) return;
    const receiver = outbox.receive(this.shard);
    this.submissions.push(await this.keep(outbox.mailbox(this.shard), receiver, { leavesPart: true }));
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
    this.control = null;
    this.submissions = [];
    await Promise.allSettled(this.opened.splice(0).map((lane) => lane.close()));
  }

  private drainSubmissions(): Delivery[] {
    const [submit, ...others] = this.submissions;
    const submitted = submit?.drain() ?? [];
    for (const lane of others) submitted.push(...lane.drain());
    return submitted;
  }

  /**
   * Makes the lane first where it is missing: an engine that started again may have forgotten it, and nobody else makes
   * it before there is something to send.
   */
  private async open(mailbox: string, { isSubmissions }: { readonly isSubmissions: boolean }): Promise<Lane> {
    const { broker } = this.engine;
    await broker.declare(mailbox, { durable: isSubmissions });
    return this.keep(mailbox, broker.receive(mailbox), { leavesPart: isSubmissions });
  }

  /** A lane that opens too late is closed again: its frames are another owner's. */
  private async keep(
    mailbox: string,
    receiver: Promise<Receiver>,
    { leavesPart }: { readonly leavesPart: boolean },
  ): Promise<Lane> {
    const lane = await Lane.open(mailbox, receiver, this.on, leavesPart && this.engine.commitsAside);
    if (this.isClosed) await lane.close();
    else this.opened.push(lane);
    return lane;
  }
}
