import { startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";
import { serve } from "./role.ts";
import { noop } from "./tasks.ts";

const { on } = createHandlers();
const [url = "", slots = ""] = process.argv.slice(2);
const worker = await startWorker({ url, handlers: [on(noop, ({ input }) => input.n)], slots: Number(slots) });
serve({}, () => worker.close());
