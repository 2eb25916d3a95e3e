import type { Broker, Delivery } from "./brokers/broker.ts";
import type { BrokerHalf, Engine, EngineAddress, Outbox, Tick } from "./engine.ts";

/**
 * A broker of one engine with the store of another: commit, send, acknowledge. They share no transaction: a crash
 * between the steps repeats work and loses none.
 *
 * Where only the store's engine has transactions for callers, its own mailboxes are the shards' third input, drained
 * and deleted in the fenced commit.
 */
export function pairEngines(half: BrokerHalf, storeEngine: Engine, address: EngineAddress | null): Engine {
  const { broker } = half;
  const { store, shards, commitsAside } = storeEngine;
  const outbox = broker.transactional === undefined ? outboxOf(storeEngine.broker) : undefined;
  return {
    broker,
    store,
    // The shards are the store's: that is where their fences are.
    shards,
    commitsAside,
    url: address,
    ...(outbox === undefined ? {} : { outbox }),
    commit: async ({ sends, acks, ...tick }: Tick) => {
      await storeEngine.commit({ ...tick, sends: [], acks: acks.filter(isFromOutbox) });
      return await broker.send(
        sends,
        acks.filter((delivery) => !isFromOutbox(delivery)),
      );
    },
    report: () => [...half.report(), ...storeEngine.report()],
    close: async (options) => {
      await Promise.all([half.close(options), storeEngine.close(options)]);
    },
  };
}

function outboxOf(broker: Broker): Outbox | undefined {
  const { transactional } = broker;
  if (transactional === undefined) return undefined;
  return {
    transactional,
    mailbox: outboxOfShard,
    receive: async (shard) => {
      await broker.declare(outboxOfShard(shard), { durable: true });
      return await broker.receive(outboxOfShard(shard));
    },
  };
}

function outboxOfShard(shard: number): string {
  return `${OUTBOX_PREFIX}${shard}`;
}

function isFromOutbox({ mailbox }: Delivery): boolean {
  return mailbox.startsWith(OUTBOX_PREFIX);
}

const OUTBOX_PREFIX = "outbox:";
