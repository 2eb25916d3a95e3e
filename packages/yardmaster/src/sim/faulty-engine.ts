import type { Engine } from "../engine.ts";
import { pause } from "../host.ts";
import { createFaultyBroker } from "./faulty-broker.ts";
import { createFaultyStore, observingRefusal, storeFull } from "./faulty-store.ts";
import { remotely } from "./remote-call.ts";
import type { SimProcess } from "./sim-process.ts";

/** A process's view of its engine, through which everything that it does outside of itself must pass. */
export function createFaultyEngine(process: SimProcess, engine: Engine): Engine {
  const broker = createFaultyBroker(process, engine.broker);
  const store = createFaultyStore(process, engine.store);
  const commitWhole: Engine["commit"] = (tick) =>
    remotely(process, {
      name: "engine.commit",
      service: "store",
      fallible: true,
      apply: async () => {
        const { lease, sequence, changes } = tick;
        const { faults, coverage } = process.world;
        if (faults.isFullFor(changes)) {
          coverage.fault("store full");
          throw storeFull();
        }
        if (faults.forgets(changes, process.random)) {
          coverage.fault("commit forgotten");
          return tick.sends.map(() => "confirmed");
        }
        const outcomes = await observingRefusal(process, lease, sequence, () => engine.commit(tick));
        process.observe({ type: "committed", lease, sequence, changes });
        return outcomes;
      },
    });
  const commitInSteps: Engine["commit"] = async ({ lease, sequence, changes, sends, acks }) => {
    await store.commit(lease, sequence, changes);
    return await broker.send(sends, acks);
  };
  return {
    broker,
    store,
    shards: engine.shards,
    commitsAside: process.world.faults.plan.commitsAside,
    commit: process.world.faults.plan.split ? commitInSteps : commitWhole,
    url: null,
    report: () => engine.report(),
    // Bounded, as every engine's is, however slow the service.
    close: (options) =>
      Promise.race([
        pause(process.host, options.timeoutMs),
        remotely(process, {
          name: "engine.close",
          service: "broker",
          fallible: false,
          apply: () => engine.close(options),
        }),
      ]),
  };
}
