import type { Receiver } from "../src/brokers/broker.ts";
import type { Engine } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { createMemoryWorld, type MemoryEngine } from "../src/memory/world.ts";
import {
  type EngineUnderTest,
  frameOf,
  type OtherProcess,
  takeCount,
  textsOf,
  type YardUnderTest,
} from "../src/testing/conformance.ts";

/** The engine in memory for the suites: an instance that crashes stands for a process that is killed. */
export const memoryUnderTest: EngineUnderTest = { name: "memory", open: openMemoryYard };

async function openMemoryYard(): Promise<YardUnderTest> {
  const world = createMemoryWorld(systemHost, { shards: 2 });
  const engines: Engine[] = [];
  const open = (): MemoryEngine => {
    const engine = world.open();
    engines.push(engine);
    return engine;
  };
  return {
    engine: async () => open(),
    process: async () => otherProcess(open()),
    close: async () => {
      for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
    },
  };
}

function otherProcess(engine: MemoryEngine): OtherProcess {
  const receivers = new Map<string, Receiver>();
  return {
    hold: async (name) => {
      await engine.broker.presence.hold(name);
    },
    send: (mailbox, frame) => engine.broker.send([{ mailbox, frame: frameOf(frame) }]),
    take: async (mailbox) => {
      const receiver = receivers.get(mailbox) ?? (await engine.broker.receive(mailbox));
      receivers.set(mailbox, receiver);
      return textsOf(await takeCount(receiver, 1));
    },
    kill: async () => engine.crash(),
  };
}
