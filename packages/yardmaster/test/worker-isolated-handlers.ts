import { isMainThread, threadId } from "node:worker_threads";
import { defineTask } from "../src/definition.ts";
import { createHandlers, type Handler } from "../src/worker/handlers.ts";

/** Handlers for threads, as a user's worker file has them. */
const { on } = createHandlers({ context: () => ({ builtIn: threadId }) });
const options = { isolate: "thread", module: import.meta.url } as const;

const add = defineTask<{ a: number; b: number }, { sum: number; inThread: boolean; ownContext: boolean }>({
  name: "add",
});
const spin = defineTask<unknown, never>({ name: "spin" });
const heed = defineTask<unknown, string>({ name: "heed" });
const tell = defineTask<unknown, string>({ name: "tell" });
const die = defineTask<unknown, never>({ name: "die" });
const submits = defineTask<unknown, string>({ name: "submits" });

const handlers: Handler[] = [
  on(
    add,
    ({ input, builtIn }) => ({
      sum: input.a + input.b,
      inThread: !isMainThread,
      ownContext: builtIn === threadId,
    }),
    options,
  ),
  on(
    spin,
    () => {
      for (;;);
    },
    options,
  ),
  on(
    heed,
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    options,
  ),
  on(
    tell,
    ({ progress, log, taskId, attempt }) => {
      progress(0.5, "half");
      log("from the thread", "warn");
      return `${taskId} ${attempt}`;
    },
    options,
  ),
  on(die, () => process.exit(3), options),
  on(submits, async ({ submit }) => (await submit(add, { a: 1, b: 1 })).id, options),
];

export default handlers;
