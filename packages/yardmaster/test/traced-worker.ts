import { createHandlers } from "../src/worker/handlers.ts";
import { startWorker } from "../src/yard.ts";
import { activeTraceId, inner, outer, recordSpans } from "./traced-tasks.ts";

/** A worker in a process of its own, which tells its parent what spans it has recorded when it is asked. */
const spans = recordSpans();
const { on } = createHandlers();
const handlers = [
  on(outer, async ({ attempt, submit }) => {
    if (attempt === 1) throw new Error("once");
    await submit(inner, 1);
    return activeTraceId();
  }),
  on(inner, activeTraceId),
];
const worker = await startWorker({ url: process.argv[2] ?? "", handlers, tracing: true });
process.on("message", () => process.send?.(spans()));
process.once("disconnect", () => void worker.close({ timeoutMs: 1_000 }));
process.send?.("ready");
