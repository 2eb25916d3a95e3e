import type { Envelope } from "../protocol/envelope.ts";
import { isWorkerMailbox } from "../protocol/mailbox.ts";
import type { Outgoing } from "./effects.ts";

/** A frame is full at about this many bytes. */
const FRAME_BYTES = 2 ** 20;
/** A guess at what an envelope takes beside its payload or result. */
const ENVELOPE_BYTES = 150;
/** Numberings of workers that are gone, and mailboxes that are gone: more are not remembered. */
const REMEMBERED = 10_000;

/** What waits for one mailbox. Frames to workers are numbered without gaps, so that a lost one shows. */
interface Box {
  readonly mailbox: string;
  readonly numbered: boolean;
  sent: number;
  frames: Envelope[][];
  current: Envelope[];
  currentBytes: number;
}

/** Collects the envelopes of a tick into frames, one sequence of frames for each mailbox. */
export class Outbox {
  readonly #boxes = new Map<string, Box>();
  readonly #gone = new Set<string>();
  readonly #departed = new Set<string>();
  #filled: Box[] = [];
  #lastBox: Box = newBox("");

  /** `bytes` is the size of the payload or result in the envelope. Answers the number of the frame that it went into. */
  tell(mailbox: string, envelope: Envelope, bytes: number): number {
    if (mailbox === "" || this.#gone.has(mailbox)) return 0;
    const box = this.#lastBox.mailbox === mailbox ? this.#lastBox : this.#boxOf(mailbox);
    if (box.frames.length === 0) this.#filled.push(box);
    if (box.frames.length === 0 || box.currentBytes + bytes > FRAME_BYTES) openFrame(box);
    box.current.push(envelope);
    box.currentBytes += bytes + ENVELOPE_BYTES;
    return box.sent + box.frames.length;
  }

  /** The number that the next envelope's frame will have, if it does not roll over. */
  frameNumber(mailbox: string): number {
    const box = this.#boxOf(mailbox);
    return box.sent + Math.max(1, box.frames.length);
  }

  /** All frames since the last call. */
  take(): Outgoing[] {
    const outgoing: Outgoing[] = [];
    for (const box of this.#filled) {
      for (const envelopes of box.frames) {
        outgoing.push({ mailbox: box.mailbox, sequence: box.numbered ? ++box.sent : 0, envelopes });
      }
      box.frames = [];
      if (!box.numbered) this.#boxes.delete(box.mailbox);
    }
    this.#filled = [];
    this.#lastBox = newBox("");
    return outgoing;
  }

  /** Nothing is sent there until somebody is heard from there again. */
  markGone(mailbox: string): void {
    this.#gone.add(mailbox);
    if (this.#gone.size > REMEMBERED) this.#gone.delete(firstOf(this.#gone));
  }

  /** Whether what is told there is sent. */
  reaches(mailbox: string): boolean {
    return !this.#gone.has(mailbox);
  }

  heardFrom(mailbox: string): void {
    this.#gone.delete(mailbox);
    this.#departed.delete(mailbox);
  }

  /**
   * The worker there is not known (any more). Its numbering must go on if it comes back, but not all can be kept for
   * ever.
   */
  markDeparted(mailbox: string): void {
    this.#departed.delete(mailbox);
    this.#departed.add(mailbox);
    if (this.#departed.size <= REMEMBERED) return;
    const oldest = firstOf(this.#departed);
    this.#departed.delete(oldest);
    this.#boxes.delete(oldest);
  }

  #boxOf(mailbox: string): Box {
    let box = this.#boxes.get(mailbox);
    if (box === undefined) {
      box = newBox(mailbox);
      this.#boxes.set(mailbox, box);
    }
    this.#lastBox = box;
    return box;
  }
}

function firstOf(mailboxes: ReadonlySet<string>): string {
  for (const mailbox of mailboxes) return mailbox;
  return "";
}

function newBox(mailbox: string): Box {
  return {
    mailbox,
    numbered: isWorkerMailbox(mailbox),
    sent: 0,
    frames: [],
    current: [],
    currentBytes: 0,
  };
}

function openFrame(box: Box): void {
  box.current = [];
  box.currentBytes = 0;
  box.frames.push(box.current);
}
