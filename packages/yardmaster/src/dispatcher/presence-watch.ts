import type { Broker } from "../brokers/broker.ts";
import { controlLane } from "../engine.ts";
import type { Cancel, Host } from "../host.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { CLIENT_PREFIX, WORKER_PREFIX, workerMailbox, workerOf } from "../protocol/mailbox.ts";

const PROBE_MS = 250;
const SWEEP_MS = 10_000;
/** A probe that comes this much late means that this process itself stood still. */
const STALL_MS = 2_000;

/**
 * Notices workers whose process is gone, and mailboxes that nobody will read again.
 *
 * A worker's absence goes through the control lane as a marker before it counts, so that an outcome which that
 * worker had already sent is not overtaken by the news of its death.
 */
export class PresenceWatch {
  private readonly broker: Broker;
  private readonly host: Host;
  private readonly shard: number;
  private readonly workers: () => readonly string[];
  private readonly onStall: () => void;
  private readonly marked = new Set<string>();
  private cancelTimer: Cancel = () => undefined;
  private stopped = false;
  private lastTurn: number;
  private lastSweep: number;

  /** `workers` answers the ids of the workers that the kernel counts on now. */
  constructor(options: {
    readonly broker: Broker;
    readonly host: Host;
    readonly shard: number;
    readonly workers: () => readonly string[];
    readonly onStall: () => void;
  }) {
    this.broker = options.broker;
    this.host = options.host;
    this.shard = options.shard;
    this.workers = options.workers;
    this.onStall = options.onStall;
    this.lastTurn = options.host.monotonic();
    this.lastSweep = this.lastTurn;
    this.schedule();
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer();
  }

  private schedule(): void {
    this.cancelTimer = this.host.after(PROBE_MS, () => {
      const now = this.host.monotonic();
      if (now - this.lastTurn > PROBE_MS + STALL_MS) this.onStall();
      this.turn(now)
        // The engine is away: nobody is declared dead for its sake; the next turn looks again.
        .catch(() => undefined)
        .finally(() => {
          this.lastTurn = this.host.monotonic();
          if (!this.stopped) this.schedule();
        });
    });
  }

  private async turn(now: number): Promise<void> {
    const workers = this.workers();
    for (const worker of this.marked) if (!workers.includes(worker)) this.marked.delete(worker);
    const unmarked = workers.filter((worker) => !this.marked.has(worker));
    const absent =
      unmarked.length === 0 ? [] : await this.broker.presence.absent(unmarked.map(workerMailbox));
    for (const mailbox of absent) await this.mark(workerOf(mailbox));
    if (now - this.lastSweep < SWEEP_MS) return;
    this.lastSweep = now;
    await this.sweep();
  }

  private async mark(worker: string): Promise<void> {
    const envelopes = [{ type: "marker", worker, boot: worker }] as const;
    const frame = encodeFrame({ from: "", shard: this.shard, epoch: 0, sequence: 0, envelopes });
    await this.broker.send([{ mailbox: controlLane(this.shard), frame }]);
    this.marked.add(worker);
  }

  /** Removes the mailboxes of processes that are gone. */
  private async sweep(): Promise<void> {
    const counted = new Set(this.workers().map(workerMailbox));
    const mailboxes = [
      ...(await this.broker.mailboxes(CLIENT_PREFIX)),
      ...(await this.broker.mailboxes(WORKER_PREFIX)),
    ];
    const candidates = mailboxes.filter((mailbox) => !counted.has(mailbox));
    if (candidates.length === 0) return;
    for (const mailbox of await this.broker.presence.absent(candidates)) await this.broker.remove(mailbox);
  }
}
