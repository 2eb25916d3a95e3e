import { once } from "node:events";
import { type RunningWorker, startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";
import { TallyKeeper } from "./load.ts";
import { Failing } from "./mix.ts";
import { place, serve } from "./role.ts";
import { brief, fewKeys, manyKeys, noop, queued, spread, stuck, urgent } from "./tasks.ts";

const { on } = createHandlers();
const slots = Number(process.argv[3] ?? "");
/** `later`: takes work from when it is told to `open`. `queues`: of the 1,000 queues too. */
const wishes = process.argv.slice(4);
const keeper = new TallyKeeper();
const failing = new Failing();
const quick = [noop, spread, manyKeys, fewKeys, brief, ...(wishes.includes("queues") ? queued : [])];
let holding = 0;
const handlers = [
  ...quick.map((definition) =>
    on(definition, ({ input }) => {
      keeper.take(input.n);
      return input.n;
    }),
  ),
  on(urgent, ({ input }) => {
    failing.check(input);
    keeper.take(input.n);
    return input.n;
  }),
  on(stuck, async ({ input, attempt, signal }) => {
    if (attempt > 1) return input.n;
    holding += 1;
    await once(signal, "abort");
    throw signal.reason;
  }),
];
let worker: RunningWorker | null = null;
if (!wishes.includes("later")) await open();
serve({ open, holding: () => holding, tally: () => keeper.tally }, async () => worker?.close());

async function open(): Promise<void> {
  worker = await startWorker({ ...place(), handlers, slots });
}
