import { createMemoryBroker } from "../brokers/memory.ts";
import type { Engine } from "../engine.ts";
import type { Host } from "../host.ts";
import { createMemoryStore } from "../stores/memory.ts";
import { Life } from "./life.ts";
import { Mailboxes } from "./mailboxes.ts";
import { Presences } from "./presences.ts";
import { Records } from "./records.ts";

/** One yard in memory, and the processes that use it. It does no I/O and sets no timer of its own. */
export interface MemoryWorld {
  /** A process's way in. `host` is that process's own where it differs from the world's. */
  open(host?: Host): MemoryEngine;
  /** Keeps what records and mailboxes hold now; the answer puts it back, as an engine that lost its last moments has it. */
  snapshot(): () => void;
}

export interface MemoryEngine extends Engine {
  /** Ends this instance as SIGKILL ends a process: what it waits for is never answered, and its presence is gone. */
  crash(): void;
}

/** `host` is the clock of the store. The number of shards is fixed for the life of the world (default 1). */
export function createMemoryWorld(host: Host, options: { readonly shards?: number } = {}): MemoryWorld {
  const world: World = {
    mailboxes: new Mailboxes(),
    presences: new Presences(),
    records: new Records(() => host.now()),
    shards: options.shards ?? 1,
  };
  return {
    open: (own = host) => openEngine(world, own),
    snapshot: () => {
      const restores = [world.records.snapshot(), world.mailboxes.snapshot()];
      return () => {
        for (const restore of restores) restore();
      };
    },
  };
}

interface World {
  readonly mailboxes: Mailboxes;
  readonly presences: Presences;
  readonly records: Records;
  readonly shards: number;
}

function openEngine({ mailboxes, presences, records, shards }: World, host: Host): MemoryEngine {
  const life = new Life();
  return {
    broker: createMemoryBroker(mailboxes, presences, life, host),
    store: createMemoryStore(records, life),
    shards,
    commitsAside: false,
    url: null,
    report: () => [
      {
        engine: "memory",
        isUp: true,
        trouble: null,
        durability: "Nothing outlives this process.",
        warnings: [],
      },
    ],
    commit: async (tick) => {
      life.check();
      const isNew = records.commit(tick.lease, tick.sequence, tick.changes);
      return isNew ? mailboxes.send(tick.sends, tick.acks) : mailboxes.outcomes(tick.sends);
    },
    crash: () => life.end("crashed"),
    close: async () => life.end("closed"),
  };
}
