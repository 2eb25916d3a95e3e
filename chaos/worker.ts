import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { serve } from "../bench/role.ts";
import { openEngine } from "../packages/yardmaster/src/connect.ts";
import type { EngineAddress } from "../packages/yardmaster/src/engine.ts";
import { systemHost } from "../packages/yardmaster/src/host.ts";
import { type Call, createHandlers } from "../packages/yardmaster/src/worker/handlers.ts";
import { threadHeartbeats } from "../packages/yardmaster/src/worker/thread-heartbeats.ts";
import { startWorkerOn } from "../packages/yardmaster/src/worker/worker.ts";
import { Failpoints, type Point } from "./failpoints.ts";
import { reportingBroker } from "./recorded-engine.ts";
import { Recorder } from "./recorder.ts";
import { ATTEMPTS, beat, limited, once, sum, sumLabel, type Work, type Worked, work } from "./tasks.ts";

// The stage's arguments.
const [, , json = "", folder = "", name = "", slots = ""] = process.argv;
const address: EngineAddress = JSON.parse(json);
const points = new Failpoints();
const recorder = new Recorder(join(folder, `${name}.jsonl`));
// What handlers do in the world, in a file that is nobody else's.
const effects = new Recorder(join(folder, `${name}.effects.jsonl`));
let reports = 0;

async function play(call: Pick<Call<unknown>, "taskId" | "attempt" | "signal">, task: Work): Promise<Worked> {
  const { taskId: id, attempt, signal } = call;
  const { label, runMs, failures } = task;
  const run = { id, attempt, process: name };
  recorder.write({ type: "started", label, ...run });
  try {
    points.hit("handler");
    if (runMs > 0) await pause(runMs, undefined, { signal });
    effects.write({ type: "effect", ...run });
    points.hit("effect");
  } finally {
    recorder.write({ type: "ended", ...run });
    reports += 1;
  }
  if (attempt <= failures) throw new Error(`attempt ${attempt} fails as planned`);
  return { label };
}

const { on } = createHandlers();
const handlers = [
  ...[work, once, limited].map((definition) => on(definition, (call) => play(call, call.input))),
  on(sum, (call) => {
    const label = sumLabel(call.input[0]?.label ?? "");
    return play(call, { label, runMs: 0, failures: 0 });
  }),
  on(beat, (call) => {
    // The yard itself submits a tick: that its schedule was declared is what asked for it.
    const label = `beat ${call.taskId}`;
    const intent = { attempts: ATTEMPTS, atMostOnce: false, mayGiveUp: false, key: "", dueAt: 0 };
    recorder.write({ type: "submitting", label, intent });
    return play(call, { ...call.input, label });
  }),
];

const engine = await openEngine(address);
const worker = await startWorkerOn({
  engine: {
    ...engine,
    broker: reportingBroker(engine.broker, points, () => {
      const hasReports = reports > 0;
      reports = 0;
      return hasReports;
    }),
  },
  host: systemHost,
  handlers,
  slots: Number(slots),
  id: name,
  heartbeats: threadHeartbeats({
    address,
    module: new URL("../packages/yardmaster/src/connect.ts", import.meta.url).href,
  }),
});

serve({ arm: (point: Point, signal: NodeJS.Signals) => points.arm(point, signal) }, async () => {
  await worker.close();
  await engine.close({ timeoutMs: 5_000 });
});
