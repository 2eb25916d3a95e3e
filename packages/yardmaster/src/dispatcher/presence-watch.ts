import type { Broker } from "../brokers/broker.ts";
import { answeredWithin } from "../deadline.ts";
import type { Cancel, Host } from "../host.ts";
import { CLIENT_PREFIX, WORKER_PREFIX, workerMailbox } from "../protocol/mailbox.ts";
import { sendToSelf } from "./own-lane.ts";

const PROBE_MS = 250;
const SWEEP_MS = 10_000;
/** A probe that comes this much late means that this process itself stood still. */
const STALL_MS = 2_000;
/** Absence that proves nothing counts once it has lasted this long and nothing was heard meanwhile. */
const CONFIRM_MS = 700;
/** A marker that has had no effect by now was lost with its lane. */
const MARK_AGAIN_MS = 2_000;
const TURN_TIMEOUT_MS = 10_000;

/** What the watch needs to know of the workers that the kernel counts on, and tells it. */
export interface Watched {
  ids(): readonly string[];
  heardAt(worker: string): number;
  /** The engine has lost sight of a worker, or sees it again. */
  changed(worker: string, isAbsent: boolean): void;
}

/** Something noticed of a worker, which holds as long as nothing is heard of it. */
interface Notice {
  readonly at: number;
  readonly heardAt: number;
}

/**
 * Notices workers whose process is gone, and mailboxes that nobody will read again.
 *
 * A worker's absence goes through the control lane as a marker before it counts, so that an outcome which that
 * worker had already sent is not overtaken by the news of its death. Where presence goes with a connection, the worker
 * gets a moment to be heard first, and meanwhile no work.
 */
export class PresenceWatch {
  private readonly broker: Broker;
  private readonly host: Host;
  private readonly shard: number;
  private readonly watched: Watched;
  private readonly onStall: () => void;
  /** Those that are absent without proof that they are dead. */
  private readonly absent = new Set<string>();
  /** Since when they are absent without a break. */
  private readonly doubts = new Map<string, Notice>();
  private readonly marked = new Map<string, Notice>();
  /** Mailboxes without a process at the last sweep. */
  private abandoned: ReadonlySet<string> = new Set();
  private cancelTimer: Cancel = () => undefined;
  private stopped = false;
  private lastTurn: number;
  private lastSweep: number;

  constructor(options: {
    readonly broker: Broker;
    readonly host: Host;
    readonly shard: number;
    readonly watched: Watched;
    readonly onStall: () => void;
  }) {
    this.broker = options.broker;
    this.host = options.host;
    this.shard = options.shard;
    this.watched = options.watched;
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
      answeredWithin(this.host, TURN_TIMEOUT_MS, this.turn(now))
        // The engine is away: nobody is declared dead for its sake; the next turn looks again, and anew.
        .catch(() => this.doubts.clear())
        .finally(() => {
          this.lastTurn = this.host.monotonic();
          if (!this.stopped) this.schedule();
        });
    });
  }

  private async turn(now: number): Promise<void> {
    const workers = this.watched.ids();
    this.forgetOthers(new Set(workers));
    const asked = workers.filter((worker) => !this.isMarked(worker, now));
    if (asked.length > 0) {
      const absent = new Set(await this.broker.presence.absent(asked.map(workerMailbox)));
      if (this.stopped) return;
      const lost = asked.filter((worker) => this.isLost(worker, absent.has(workerMailbox(worker)), now));
      if (lost.length > 0) await this.mark(lost, now);
    }
    if (now - this.lastSweep < SWEEP_MS) return;
    this.lastSweep = now;
    await this.sweep();
  }

  private forgetOthers(workers: ReadonlySet<string>): void {
    for (const known of [this.absent, this.doubts, this.marked]) {
      for (const worker of known.keys()) if (!workers.has(worker)) known.delete(worker);
    }
  }

  private isMarked(worker: string, now: number): boolean {
    const notice = this.marked.get(worker);
    if (notice === undefined) return false;
    return now - notice.at < MARK_AGAIN_MS && notice.heardAt === this.watched.heardAt(worker);
  }

  private isLost(worker: string, isAbsent: boolean, now: number): boolean {
    if (isAbsent && this.broker.presence.provesDeath) return true;
    if (isAbsent !== this.absent.has(worker)) {
      if (isAbsent) this.absent.add(worker);
      else this.absent.delete(worker);
      this.watched.changed(worker, isAbsent);
    }
    if (!isAbsent) {
      this.doubts.delete(worker);
      return false;
    }
    const heardAt = this.watched.heardAt(worker);
    const doubt = this.doubts.get(worker);
    if (doubt !== undefined && doubt.heardAt === heardAt) return now - doubt.at >= CONFIRM_MS;
    this.doubts.set(worker, { at: now, heardAt });
    return false;
  }

  /** In one frame: no task of one goes to another that is lost too. */
  private async mark(workers: readonly string[], now: number): Promise<void> {
    const { provesDeath } = this.broker.presence;
    const notices = workers.map((worker) => ({ worker, heardAt: this.watched.heardAt(worker) }));
    const markers = notices.map(
      ({ worker, heardAt }) =>
        ({ type: "marker", worker, boot: worker, heardAt: provesDeath ? 0 : heardAt }) as const,
    );
    await sendToSelf(this.broker, this.shard, markers);
    for (const { worker, heardAt } of notices) this.marked.set(worker, { at: now, heardAt });
  }

  /** Removes the mailboxes of processes that are gone: at the second look where the first proves nothing. */
  private async sweep(): Promise<void> {
    const counted = new Set(this.watched.ids().map(workerMailbox));
    const mailboxes = [
      ...(await this.broker.mailboxes(CLIENT_PREFIX)),
      ...(await this.broker.mailboxes(WORKER_PREFIX)),
    ];
    const candidates = mailboxes.filter((mailbox) => !counted.has(mailbox));
    const absent = candidates.length === 0 ? [] : await this.broker.presence.absent(candidates);
    const { abandoned } = this;
    this.abandoned = new Set(absent);
    const isAbandoned = (mailbox: string): boolean =>
      this.broker.presence.provesDeath || abandoned.has(mailbox);
    for (const mailbox of absent.filter(isAbandoned)) await this.broker.remove(mailbox);
  }
}
