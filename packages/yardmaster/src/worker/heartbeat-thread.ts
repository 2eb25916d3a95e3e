import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { parentPort, workerData } from "node:worker_threads";
import type { BrokerHalf, EngineAddress } from "../engine.ts";
import { pause, systemHost } from "../host.ts";
import type { SigningOptions } from "../security/keys.ts";
import { securedBroker } from "../security/secured-engine.ts";
import { Beater, HEARTBEAT_MS, TOUCH_MS } from "./heartbeats.ts";
import { Pulse } from "./pulse.ts";

/** The file that a worker's heartbeat thread runs. */
export interface HeartbeatThreadData {
  readonly address: EngineAddress;
  readonly module: string;
  readonly signing?: SigningOptions;
  readonly worker: string;
  readonly mailbox: string;
  readonly shards: number;
  readonly slots: number;
  readonly buffer: SharedArrayBuffer;
  /** The main thread's monotonic clock when the thread was started. */
  readonly clock: number;
}

export type HeartbeatOrder =
  | { readonly type: "start"; readonly clock: number }
  | { readonly type: "beat"; readonly shard: number }
  | { readonly type: "close" };

/** The main loop has this long beyond a deadline, in the main thread's time and in this thread's own. */
const MARGIN_MS = 2_000;
const EXIT_CODE = 75;
const KILL_AFTER_MS = 1_000;
const MAX_RETRY_MS = 10_000;
const CLOSE_ENGINE_MS = 300;

// The data is what `thread-heartbeats.ts` hands over.
const data = workerData as HeartbeatThreadData;
const pulse = new Pulse(data.shards, data.slots, data.buffer);

/** What to add to this thread's clock: too little by the time that a message took, never too much. */
let offset = data.clock - systemHost.monotonic();
let engine: BrokerHalf | null = null;
let beater: Beater | null = null;
let isStarted = false;
let isTicking = false;
let overdueChecks = 0;

function clock(): number {
  return systemHost.monotonic() + offset;
}

parentPort?.on("message", (order: HeartbeatOrder) => {
  if (order.type === "close") void close();
  else if (order.type === "beat") beater?.beat(order.shard);
  else {
    offset = Math.max(offset, order.clock - systemHost.monotonic());
    isStarted = true;
    tick();
  }
});
watch();
await open();

async function open(): Promise<void> {
  for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
    try {
      const connector: { openBroker(address: EngineAddress): Promise<BrokerHalf> } = await import(
        data.module
      );
      const half = await connector.openBroker(data.address);
      engine = data.signing === undefined ? half : securedBroker(half, data.signing, systemHost);
      beater = new Beater(engine.broker, data, pulse, clock);
      tick();
      return;
    } catch (error) {
      parentPort?.postMessage(String(error));
      await pause(systemHost, waitMs);
    }
  }
}

function tick(): void {
  if (!isStarted || beater === null || isTicking) return;
  isTicking = true;
  beatOn();
}

function beatOn(): void {
  beater?.beatAll();
  systemHost.after(HEARTBEAT_MS, beatOn);
}

/**
 * A process that was stopped and continued finds its deadlines passed and its main loop untouched: only what this
 * thread saw itself, check after check, counts.
 */
function watch(): void {
  const now = clock();
  const isStuck = now - pulse.touchedAt > MARGIN_MS && now - pulse.earliestDeadline > MARGIN_MS;
  overdueChecks = isStuck ? overdueChecks + 1 : 0;
  if (overdueChecks * TOUCH_MS >= MARGIN_MS) endProcess(now - pulse.touchedAt);
  else systemHost.after(TOUCH_MS, watch);
}

/** `process.exit` of a thread ends only the thread; the inspector reaches the main one even while it is busy. */
function endProcess(stalledMs: number): void {
  const seconds = (stalledMs / 1_000).toFixed(1);
  const why = `the event loop has not moved for ${seconds} s, past the timeout and grace of an attempt`;
  writeSync(2, `yardmaster: worker ${data.worker} ends with code ${EXIT_CODE}: ${why}.\n`);
  systemHost.after(KILL_AFTER_MS, () => process.kill(process.pid, "SIGKILL"));
  const session = new Session();
  session.connectToMainThread();
  session.post("Runtime.evaluate", { expression: `process.reallyExit(${EXIT_CODE})` });
}

async function close(): Promise<void> {
  await engine?.close({ timeoutMs: CLOSE_ENGINE_MS }).catch(() => undefined);
  process.exit(0);
}
