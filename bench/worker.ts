import { once } from "node:events";
import { startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";
import { place, serve } from "./role.ts";
import { noop, spread, stuck } from "./tasks.ts";

const { on } = createHandlers();
const slots = Number(process.argv[3] ?? "");
const handlers = [noop, spread].map((definition) => on(definition, ({ input }) => input.n));
let holding = 0;
const stay = on(stuck, async ({ input, attempt, signal }) => {
  if (attempt > 1) return input.n;
  holding += 1;
  await once(signal, "abort");
  throw signal.reason;
});
const worker = await startWorker({ ...place(), handlers: [...handlers, stay], slots });
serve({ holding: () => holding }, () => worker.close());
