import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BASELINE } from "../packages/yardmaster/src/lab/laboratory.ts";
import { LabRun } from "../packages/yardmaster/src/lab/run.ts";
import { readScenario } from "../packages/yardmaster/src/lab/scenario.ts";

/*
 * Runs examples/scenarios/large.yaml (a million tasks on ten thousand workers) under first come, first served at random
 * and under each of its policies, and prints how many seconds of real time each took. Ends with 1 if one took over 60 s.
 */

const LIMIT_S = 60;
const FILE = join(import.meta.dirname, "../examples/scenarios/large.yaml");

const scenario = readScenario(readFileSync(FILE, "utf8"));
const workers = scenario.workers.reduce((sum, { count }) => sum + count, 0);
for (const policy of [BASELINE, ...scenario.policies]) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const { figures } = new LabRun(scenario, policy).run();
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  const isInTime = seconds <= LIMIT_S;
  if (!isInTime) process.exitCode = 1;
  const verdict = isInTime ? "" : `, over ${LIMIT_S} s`;
  console.log(
    `${policy.name}: ${figures.tasks} tasks on ${workers} workers in ${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s of CPU)${verdict}`,
  );
}
