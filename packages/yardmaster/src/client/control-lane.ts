import { controlLane } from "../engine.ts";
import type { ToDispatcher } from "../protocol/envelope.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { FrameWriter } from "../protocol/frame.ts";
import type { Link } from "./link.ts";

const MAX_FRAME_BYTES = 256 * 1024;

/**
 * The way of a client's questions and orders into one shard. A send that fails is not repeated here: whoever
 * waits for an answer asks again.
 */
export class ControlLane {
  private readonly link: Link;
  private readonly shard: number;
  private readonly mailbox: string;
  private readonly writer = new FrameWriter();
  private frames: Buffer[] = [];
  private isOpen = false;
  private running: Promise<void> | null = null;

  constructor(link: Link, shard: number) {
    this.link = link;
    this.shard = shard;
    this.mailbox = controlLane(shard);
  }

  /** Throws INVALID_FRAME for what no dispatcher could read. */
  add(envelope: ToDispatcher): void {
    if (!this.isOpen) {
      this.writer.begin(this.link.mailbox, this.shard, 0, 0);
      this.isOpen = true;
    }
    this.writer.add(envelope);
    if (this.writer.bytes >= MAX_FRAME_BYTES) this.cut();
    this.running ??= this.run();
  }

  /** Resolves when all that was added has been tried. */
  async idle(): Promise<void> {
    await this.running;
  }

  private cut(): void {
    this.isOpen = false;
    if (this.writer.count > 0) this.frames.push(this.writer.finish());
  }

  private async run(): Promise<void> {
    await undefined;
    for (;;) {
      if (this.isOpen) this.cut();
      const { frames } = this;
      if (frames.length === 0) break;
      this.frames = [];
      await this.send(frames);
    }
    this.running = null;
  }

  private async send(frames: readonly Buffer[]): Promise<void> {
    const { broker } = this.link;
    const sends = frames.map((frame) => ({ mailbox: this.mailbox, frame }));
    try {
      const outcomes = await broker.send(sends);
      if (!outcomes.includes("gone")) return;
      await broker.declare(this.mailbox, { durable: false });
      await broker.send(sends);
    } catch (error) {
      if (!(error instanceof YardmasterError)) throw error;
    }
  }
}
