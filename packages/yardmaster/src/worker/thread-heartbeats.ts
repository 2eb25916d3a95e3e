import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { EngineAddress } from "../engine.ts";
import type { Cancel, Host } from "../host.ts";
import type { SigningOptions } from "../security/keys.ts";
import type { HeartbeatOrder, HeartbeatThreadData } from "./heartbeat-thread.ts";
import { type HeartbeatIdentity, type Heartbeats, type OpenHeartbeats, TOUCH_MS } from "./heartbeats.ts";
import { Pulse } from "./pulse.ts";

const RESTART_MS = 1_000;
const CLOSE_MS = 500;

/** How the thread opens an engine of its own. */
export interface ThreadConnector {
  readonly address: EngineAddress;
  /** The URL of a module that exports `openBroker(address): Promise<BrokerHalf>`. */
  readonly module: string;
  /** Where frames are signed: the thread has no other way to the keys. */
  readonly signing?: SigningOptions;
}

/**
 * Heartbeats by a thread with an engine of its own: a handler that blocks the main thread does not silence the
 * worker. The thread also ends the process, with exit code 75, when the main thread has not moved past an attempt's
 * timeout and grace.
 */
export function threadHeartbeats(connector: ThreadConnector): OpenHeartbeats {
  return (identity) => new ThreadHeartbeats(connector, identity);
}

class ThreadHeartbeats implements Heartbeats {
  readonly pulse: Pulse;
  readonly #data: Omit<HeartbeatThreadData, "clock">;
  readonly #host: Host;
  readonly #report: HeartbeatIdentity["report"];
  #thread: Worker;
  #cancelTouch: Cancel;
  #cancelRestart: Cancel | null = null;
  #isAlive = false;
  #isStarted = false;
  #isClosed = false;

  constructor(
    { address, module, signing }: ThreadConnector,
    { engine, host, worker, mailbox, slots, report }: HeartbeatIdentity,
  ) {
    const buffer = new SharedArrayBuffer(Pulse.bytes(engine.shards, slots));
    this.pulse = new Pulse(engine.shards, slots, buffer);
    this.pulse.touch(host.monotonic());
    const place = { address, module, ...(signing === undefined ? {} : { signing }) };
    this.#data = { ...place, worker, mailbox, shards: engine.shards, slots, buffer };
    this.#host = host;
    this.#report = report;
    this.#thread = this.#open();
    this.#cancelTouch = this.#touch();
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#tellStart();
  }

  beat(shard: number): void {
    this.#tell({ type: "beat", shard });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTouch();
    this.#cancelRestart?.();
    if (!this.#isAlive) return;
    const ended = new Promise<void>((resolve) => this.#thread.once("exit", () => resolve()));
    this.#tell({ type: "close" });
    const cancel = this.#host.after(CLOSE_MS, () => void this.#thread.terminate());
    await ended;
    cancel();
  }

  #tell(order: HeartbeatOrder): void {
    this.#thread.postMessage(order);
  }

  #tellStart(): void {
    this.#tell({ type: "start", clock: this.#host.monotonic() });
  }

  /** The first message may wait until the thread has begun, and its clock is told late then: the next ones set it right. */
  #touch(): Cancel {
    this.pulse.touch(this.#host.monotonic());
    if (this.#isStarted) this.#tellStart();
    return this.#host.after(TOUCH_MS, () => {
      this.#cancelTouch = this.#touch();
    });
  }

  #open(): Worker {
    const file = new URL(`./heartbeat-thread${extname(import.meta.url)}`, import.meta.url);
    const workerData: HeartbeatThreadData = { ...this.#data, clock: this.#host.monotonic() };
    const thread = new Worker(file, { workerData, name: "yardmaster heartbeats" });
    thread.on("message", (problem: unknown) =>
      this.#report("The heartbeat thread cannot reach its engine", problem),
    );
    thread.on("error", (error) => this.#report("The heartbeat thread failed and is started again", error));
    this.#isAlive = true;
    thread.on("exit", () => {
      this.#isAlive = false;
      if (!this.#isClosed) this.#cancelRestart = this.#host.after(RESTART_MS, () => this.#restart());
    });
    return thread;
  }

  #restart(): void {
    this.#thread = this.#open();
    if (this.#isStarted) this.#tellStart();
  }
}
