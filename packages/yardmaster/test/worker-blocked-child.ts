import { BroadcastChannel } from "node:worker_threads";
import { defineTask } from "../src/definition.ts";
import { systemHost } from "../src/host.ts";
import { createMemoryWorld } from "../src/memory/world.ts";
import { decodeFrame } from "../src/protocol/frame.ts";
import { createHandlers } from "../src/worker/handlers.ts";
import { threadHeartbeats } from "../src/worker/thread-heartbeats.ts";
import { startWorkerOn } from "../src/worker/worker.ts";
import { assign, WorkerDesk } from "./worker-desk.ts";

/** A worker whose handler blocks the event loop for `blockMs`, within or beyond the timeout of its attempt. */
const [blockMs = 0, timeoutMs = 0] = process.argv.slice(2).map(Number);
const { on } = createHandlers();
const block = defineTask<unknown, string>({ name: "block" });
const world = createMemoryWorld(systemHost);
const desk = new WorkerDesk(world.open(), "w");
await desk.open();
const channel = new BroadcastChannel("heartbeats");
channel.onmessage = (message: unknown) => {
  // What comes through the channel is a message event with a frame.
  const { data } = message as { readonly data: Uint8Array };
  void desk.take(decodeFrame(data));
};
const worker = await startWorkerOn({
  engine: world.open(),
  host: systemHost,
  id: "w",
  heartbeats: threadHeartbeats({
    address: "heartbeats",
    module: new URL("thread-engine.ts", import.meta.url).href,
  }),
  handlers: [
    on(block, () => {
      console.log("blocking");
      const until = performance.now() + blockMs;
      while (performance.now() < until);
      return "moved on";
    }),
  ],
});
await desk.tell(assign(1, "block", { timeoutMs, graceMs: 0 }));
const look = setInterval(async () => {
  const [outcome] = desk.outcomes;
  if (outcome === undefined) return;
  clearInterval(look);
  const most = Math.max(...desk.of("heartbeat").map(({ stalledMs }) => stalledMs));
  console.log(
    JSON.stringify({ result: outcome.result, stalled: most > 1_000, beats: desk.of("heartbeat").length }),
  );
  channel.close();
  console.log(JSON.stringify(await worker.close({ timeoutMs: 1_000 })));
  await desk.close();
}, 50);
