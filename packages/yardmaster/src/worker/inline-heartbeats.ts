import type { Cancel } from "../host.ts";
import { Beater, HEARTBEAT_MS, type HeartbeatIdentity, type Heartbeats } from "./heartbeats.ts";
import { Pulse } from "./pulse.ts";

/**
 * Heartbeats by timers of the main thread: for engines that only this thread can reach. A handler that blocks the
 * thread makes the worker fall silent.
 */
export function inlineHeartbeats({ engine, host, worker, mailbox, slots }: HeartbeatIdentity): Heartbeats {
  const pulse = new Pulse(engine.shards, slots, new ArrayBuffer(Pulse.bytes(engine.shards, slots)));
  const beater = new Beater(engine.broker, { worker, mailbox }, pulse, () => host.monotonic());
  let cancel: Cancel | null = null;
  let isClosed = false;
  const tick = (): void => {
    pulse.touch(host.monotonic());
    beater.beatAll();
    cancel = host.after(HEARTBEAT_MS, tick);
  };
  return {
    pulse,
    start() {
      if (cancel === null && !isClosed) tick();
    },
    beat(shard) {
      if (isClosed) return;
      pulse.touch(host.monotonic());
      beater.beat(shard);
    },
    async close() {
      isClosed = true;
      cancel?.();
    },
  };
}
