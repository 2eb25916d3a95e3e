import type { Delivery, Receiver } from "../brokers/broker.ts";
import { pause } from "../host.ts";
import type { Frame } from "../protocol/envelope.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { decodeFrame } from "../protocol/frame.ts";
import type { Link } from "./link.ts";

const TAKE_FRAMES = 64;
const TAKE_BYTES = 4 * 1024 * 1024;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

export interface InboxListener {
  /** A frame for this client; it may have come before. */
  received(frame: Frame): void;
  /** A frame whose signature does not hold, or cannot be checked here. */
  distrusted(error: YardmasterError): void;
  /** The mailbox was opened anew: frames may be lost. */
  reopened(): void;
}

/** Receives what dispatchers tell a client, and keeps the client present as long as it listens. */
export class Inbox {
  private readonly link: Link;
  private readonly listener: InboxListener;
  private receiver: Receiver | null = null;
  private releasePresence: (() => Promise<void>) | null = null;
  private isClosed = false;

  constructor(link: Link, listener: InboxListener) {
    this.link = link;
    this.listener = listener;
  }

  /** The mailbox exists and is listened to when this resolves. */
  async open(): Promise<void> {
    this.receiver = await this.listen();
    void this.run(this.receiver);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.link.acks.close();
    await this.receiver?.close();
    await this.releasePresence?.();
    await this.link.broker.remove(this.link.mailbox);
  }

  /** For a suspicion that nothing arrives: the mailbox is made again where it is gone, and listened to anew. */
  async refresh(): Promise<void> {
    if (!this.isClosed) await this.receiver?.close().catch(() => undefined);
  }

  private async listen(): Promise<Receiver> {
    const { broker, mailbox } = this.link;
    await broker.declare(mailbox, { durable: false });
    // Held once: the engine takes it again by itself, and what took it away may have taken the mailbox too.
    this.releasePresence ??= await broker.presence.hold(mailbox, (isHeld) => {
      if (isHeld) void this.refresh();
    });
    return broker.receive(mailbox);
  }

  private async run(first: Receiver): Promise<void> {
    let receiver: Receiver = first;
    while (!this.isClosed) {
      const deliveries = await take(receiver);
      if (deliveries === null || deliveries.length === 0) {
        if (this.isClosed) return;
        const opened = await this.reopen();
        if (opened === null) return;
        receiver = opened;
        this.listener.reopened();
      } else {
        for (const { frame } of deliveries) this.readOne(frame);
        this.link.acks.add(deliveries);
      }
    }
  }

  private readOne(bytes: Uint8Array): void {
    const frame = read(bytes);
    if (frame instanceof YardmasterError) {
      const { code } = frame;
      if (code === "FRAME_UNTRUSTED" || code === "KEY_MISSING") this.listener.distrusted(frame);
    } else this.listener.received(frame);
  }

  /** Null once the inbox, or the engine, is closed. */
  private async reopen(): Promise<Receiver | null> {
    this.link.acks.forget();
    for (let delayMs = FIRST_RETRY_MS; !this.isClosed; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        await this.receiver?.close();
        this.receiver = await this.listen();
        return this.receiver;
      } catch (error) {
        if (!(error instanceof YardmasterError)) throw error;
        // The engine was closed under the client: nothing brings it back.
        if (error.code === "CLOSED") return null;
        await pause(this.link.host, delayMs);
      }
    }
    return null;
  }
}

/** The next deliveries, or null when the receiver is of no use any more. */
async function take(receiver: Receiver): Promise<readonly Delivery[] | null> {
  try {
    return await receiver.take({ frames: TAKE_FRAMES, bytes: TAKE_BYTES });
  } catch (error) {
    if (error instanceof YardmasterError) return null;
    throw error;
  }
}

/** Why a frame cannot be read: what it said is learnt by asking again. */
function read(bytes: Uint8Array): Frame | YardmasterError {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    if (error instanceof YardmasterError) return error;
    throw error;
  }
}
