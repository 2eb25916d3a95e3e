import { join } from "node:path";
import { serve } from "../bench/role.ts";
import { startDispatcherOn } from "../packages/yardmaster/src/dispatcher/dispatcher.ts";
import type { EngineAddress } from "../packages/yardmaster/src/engine.ts";
import { type Host, systemHost } from "../packages/yardmaster/src/host.ts";
import { Failpoints, type Point } from "./failpoints.ts";
import { openRecordedEngine } from "./recorded-engine.ts";
import { Recorder } from "./recorder.ts";

/** Short, so that a frozen owner's lease is over within seconds. */
const TIMES = { ttlMs: 3_000, renewMs: 1_000, marginMs: 500 };

// The stage's arguments.
const [, , json = "", folder = "", name = ""] = process.argv;
const address: EngineAddress = JSON.parse(json);
const points = new Failpoints();
const recorder = new Recorder(join(folder, `${name}.jsonl`));
const engine = await openRecordedEngine(address, recorder, points);
// Its wall clock may be set while it runs; the system's belongs to everybody.
let aheadMs = 0;
const host: Host = { ...systemHost, now: () => systemHost.now() + aheadMs };
const dispatcher = await startDispatcherOn({ engine, host, owner: name, times: TIMES });

serve(
  {
    shards: () => dispatcher.owned().length,
    setClock: (ms: number) => {
      aheadMs = ms;
    },
    arm: (point: Point, signal: NodeJS.Signals) => points.arm(point, signal),
  },
  async () => {
    await dispatcher.close();
    await engine.close({ timeoutMs: 5_000 });
  },
);
