import type { NoopInput } from "../../payload.ts";
import type { Desk, Peer, PeerProducer, PeerWorker } from "../peer.ts";

/** The part of Graphile Worker that is used here. */
interface GraphileWorker {
  readonly makeWorkerUtils: (options: object) => Promise<Utils>;
  readonly run: (options: object) => Promise<Runner>;
  readonly Logger: new (log: () => () => void) => object;
}

interface Runner {
  readonly events: {
    on(event: "job:complete", listen: (done: { job: { payload: NoopInput }; error: unknown }) => void): void;
  };
  stop(): Promise<void>;
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
const MOST_AT_ONCE = 100;

export const peer: Peer = {
  settings: `addJobs for backlogs, ${MOST_AT_ONCE} jobs at once, a local queue of ${BATCH}, jobs completed in batches; it has no results`,
  openProducer,
  openWorker: (url, slots, desk) =>
    openWorker(url, desk, {
      concurrentJobs: Math.min(slots, MOST_AT_ONCE),
      localQueue: { size: BATCH },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    }),
};

export async function openProducer(url: string): Promise<PeerProducer> {
  const utils = await makeWorkerUtils({ connectionString: url, logger: quiet() });
  await utils.migrate();
  return {
    roundTrip: null,
    mixed: null,
    submit: async (inputs) => {
      await utils.addJobs(inputs.map((payload) => ({ identifier: "noop", payload })));
    },
    close: () => utils.release(),
  };
}

export async function openWorker(url: string, desk: Desk, settings: object): Promise<PeerWorker> {
  const runner = await run({
    connectionString: url,
    logger: quiet(),
    noHandleSignals: true,
    preset: { worker: settings },
    taskList: { noop: async (input: NoopInput) => void desk.handle(input) },
  });
  runner.events.on("job:complete", ({ job, error }) => {
    if (error === null || error === undefined) desk.ended(job.payload.n);
  });
  return { close: () => runner.stop() };
}

function quiet(): object {
  return new Logger(() => () => undefined);
}
