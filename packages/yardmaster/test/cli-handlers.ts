import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";
import { defineTask } from "../src/definition.ts";
import { createHandlers, type Handler } from "../src/worker/handlers.ts";

import { die as dieTask, hold as holdTask } from "./cli-tasks.ts";

const { on } = createHandlers();

const echo = on(defineTask({ name: "echo" }), ({ input }) => input);

const boom = on(defineTask<{ message: string }>({ name: "boom" }), ({ input }) => {
  throw new Error(input.message);
});

/** Answers with the process and the attempt that ran it. */
const hold = on(holdTask, async ({ input, attempt }) => {
  if (input.once !== true || attempt === 1) await untilExists(input.until);
  return { pid: process.pid, attempt };
});

const die = on(dieTask, () => process.exit(9));

async function untilExists(file: string): Promise<void> {
  const watcher = watch(dirname(file));
  while (!existsSync(file)) await once(watcher, "change");
  watcher.close();
}

const handlers: readonly Handler[] = [echo, boom, hold, die];
export default handlers;
