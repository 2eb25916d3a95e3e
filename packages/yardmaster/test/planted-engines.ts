import type { Broker, Presence, Receiver } from "../src/brokers/broker.ts";
import type { Engine, Tick } from "../src/engine.ts";
import { isCode } from "../src/protocol/errors.ts";
import { decodeFrame } from "../src/protocol/frame.ts";

/** Engines with one fault that no engine may have, to see whether the simulation's checks notice. */

/** Confirms every submission and loses some for good. */
export function losingSubmissions(engine: Engine): Engine {
  return withBroker(engine, {
    send: async (sends, acks) => {
      const kept = sends.filter(({ mailbox, frame }) => !mailbox.endsWith(":submit") || !isUnlucky(frame));
      await engine.broker.send(kept, acks);
      return sends.map(() => "confirmed");
    },
  });
}

/** Says to an owner that was replaced that its commit was done. */
export function acceptingStaleEpochs(engine: Engine): Engine {
  return {
    ...engine,
    commit: async (tick) => {
      try {
        return await engine.commit(tick);
      } catch (error) {
        if (!isCode(error, "FENCED")) throw error;
        return tick.sends.map(() => "confirmed");
      }
    },
  };
}

/** Commits everything but how tasks end. */
export function forgettingEnds(engine: Engine): Engine {
  const without = (tick: Tick): Tick => ({
    ...tick,
    changes: tick.changes.filter(({ type }) => type !== "finish"),
  });
  return { ...engine, commit: (tick) => engine.commit(without(tick)) };
}

/** Acknowledges frames as soon as they are delivered. */
export function acknowledgingAtOnce(engine: Engine): Engine {
  return withBroker(engine, {
    receive: async (mailbox) => {
      const receiver = await engine.broker.receive(mailbox);
      const take: Receiver["take"] = async (limits) => {
        const deliveries = await receiver.take(limits);
        if (deliveries.length > 0) await engine.broker.send([], deliveries);
        return deliveries;
      };
      return { take, close: () => receiver.close() };
    },
  });
}

/** Takes every client for gone. */
export function denyingClients(engine: Engine): Engine {
  const { presence } = engine.broker;
  const absent: Presence["absent"] = async (names) => {
    const gone = await presence.absent(names);
    return [...gone, ...names.filter((name) => name.startsWith("client:") && !gone.includes(name))];
  };
  return withBroker(engine, { presence: { provesDeath: true, hold: (name) => presence.hold(name), absent } });
}

function withBroker(engine: Engine, changed: Partial<Broker>): Engine {
  return { ...engine, broker: { ...engine.broker, ...changed } };
}

/** One frame in four, always the same. */
function isUnlucky(frame: Uint8Array): boolean {
  const [envelope] = decodeFrame(frame).envelopes;
  return envelope?.type === "submit" && /[0-3]$/.test(envelope.submission.id.slice(0, -3));
}
