import type { NoopInput } from "../../tasks.ts";
import type { Peer } from "../peer.ts";

/** The part of Graphile Worker that is used here. */
interface GraphileWorker {
  readonly makeWorkerUtils: (options: object) => Promise<Utils>;
  readonly run: (options: object) => Promise<{ stop(): Promise<void> }>;
  readonly Logger: new (log: () => () => void) => object;
}

interface Utils {
  migrate(): Promise<void>;
  addJobs(jobs: readonly { readonly identifier: string; readonly payload: NoopInput }[]): Promise<unknown>;
  release(): Promise<void>;
}

// The package has no types of its own here: it is installed by the bench alone.
const NAME_OF_PACKAGE = "graphile-worker";
const { makeWorkerUtils, run, Logger } = (await import(NAME_OF_PACKAGE)) as GraphileWorker;
const BATCH = 500;

export const peer: Peer = {
  name: "graphile-worker",
  engine: "postgres",
  settings: `addJobs for backlogs, a local queue of ${BATCH}, jobs completed in batches; it has no results`,
  openProducer: async (url) => {
    const utils = await makeWorkerUtils({ connectionString: url, logger: quiet() });
    await utils.migrate();
    return {
      roundTrip: null,
      submit: async (inputs) => {
        await utils.addJobs(inputs.map((payload) => ({ identifier: "noop", payload })));
      },
      close: () => utils.release(),
    };
  },
  openWorker: async (url, slots) => {
    let ended = 0;
    const runner = await run({
      connectionString: url,
      logger: quiet(),
      noHandleSignals: true,
      preset: {
        worker: {
          concurrentJobs: Math.min(slots, 100),
          localQueue: { size: BATCH },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
      taskList: {
        noop: async () => {
          ended += 1;
        },
      },
    });
    return {
      get ended(): number {
        return ended;
      },
      close: () => runner.stop(),
    };
  },
};

function quiet(): object {
  return new Logger(() => () => undefined);
}
