import { BroadcastChannel } from "node:worker_threads";
import type { Send } from "../src/brokers/broker.ts";
import type { BrokerHalf } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { createMemoryWorld } from "../src/memory/world.ts";

/** An engine for a heartbeat thread in tests: what it sends comes out of a channel that the test reads in its own thread. */
export async function openBroker(url: string): Promise<BrokerHalf> {
  const engine = createMemoryWorld(systemHost).open();
  const channel = new BroadcastChannel(url);
  const send = async (sends: readonly Send[]): Promise<"confirmed"[]> => {
    for (const { frame } of sends) channel.postMessage(frame);
    return sends.map(() => "confirmed");
  };
  const close = async (): Promise<void> => channel.close();
  return { ...engine, broker: { ...engine.broker, send }, close };
}
