/**
 * How late 10,000 schedules start that fire in the same second: `node bench/schedules.ts [schedules] [slots]`, after a build.
 * The dispatcher is a process of its own, worker and client are this one. Each task's id begins with the time of its tick; its handler looks at the clock.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, defineTask, startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";

const schedules = Number(process.argv[2] ?? 10_000);
const ROUNDS = 3;
const SLOTS = Number(process.argv[3] ?? 1_000);
const folder = mkdtempSync(join(tmpdir(), "yardmaster-schedules-"));
const tick = defineTask<number, void>({ name: "tick" });
const { on } = createHandlers();
/** By tick: how late each task of it started. */
const late = new Map<number, number[]>();
const handlers = [
  on(tick, ({ taskId: id }) => {
    const at = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
    const times = late.get(at) ?? [];
    late.set(at, times);
    times.push(Date.now() - at);
  }),
];

const url = `sqlite:${join(folder, "yard.db")}`;
const command = join(import.meta.dirname, "../packages/yardmaster/bin/yardmaster.js");
const dispatcher = spawn(process.execPath, [command, "dispatcher", "--url", url], { stdio: "ignore" });
const worker = await startWorker({ url, handlers, slots: SLOTS });
const yard = await connect(url);
const startedAt = Date.now();
const options = { cron: "*/20 * * * * *", timeZone: "Europe/Berlin" };
for (let first = 0; first < schedules; first += 500) {
  const batch = Array.from({ length: Math.min(500, schedules - first) }, (_, index) => first + index);
  await Promise.all(batch.map((number) => yard.schedule(`tick-${number}`, tick, number, options)));
}
process.stdout.write(`declared ${schedules} in ${Date.now() - startedAt} ms\n`);
const full = (): number[][] => [...late.values()].filter(({ length }) => length === schedules);
while (full().length < ROUNDS) await new Promise((resolve) => setTimeout(resolve, 500));
for (const times of full()) {
  times.sort((a, b) => a - b);
  const share = (part: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  process.stdout.write(`p50 ${share(0.5)} ms, p99 ${share(0.99)} ms, last ${share(1)} ms\n`);
}
await worker.close({ timeoutMs: 10_000 });
await yard.close({ timeoutMs: 10_000 });
dispatcher.kill("SIGTERM");
await new Promise((resolve) => dispatcher.once("exit", resolve));
rmSync(folder, { recursive: true });
