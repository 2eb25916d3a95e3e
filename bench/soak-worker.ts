import { startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";
import { place, serve } from "./role.ts";
import { echo, failing, flaky, keyed } from "./soak-tasks.ts";

const { on } = createHandlers();
const worker = await startWorker({
  ...place(),
  slots: 50,
  handlers: [
    on(echo, ({ input }) => input),
    on(keyed, ({ input }) => input),
    on(flaky, ({ input, attempt }) => {
      if (attempt === 1) throw new Error("the first attempt fails");
      return input;
    }),
    on(failing, () => {
      throw new Error("it always fails");
    }),
  ],
});
serve({}, () => worker.close());
