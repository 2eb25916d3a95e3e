/**
 * How late 10,000 schedules start that fire in the same second: `node bench/schedules.ts [schedules] [slots] [--distinct]`, after a build.
 * All of them have one cron line, or with `--distinct` each a line of its own.
 * The dispatcher is a process of its own, worker and client are this one. Each task's id begins with the time of its tick; its handler looks at the clock.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect, defineTask, startWorker } from "yardmaster";
import { createHandlers } from "yardmaster/worker";

const { values, positionals } = parseArgs({
  options: { distinct: { type: "boolean", default: false } },
  allowPositionals: true,
});
const schedules = Number(positionals[0] ?? 10_000);
const ROUNDS = 3;
const SLOTS = Number(positionals[1] ?? 1_000);
const TIME_ZONE = "Europe/Berlin";
/** Every 20 s of these days; which other days a line names makes it one of its own. */
const DAYS = [0, 1].map((later) => dayOf(Date.now() + later * 86_400_000));
const OTHER_DAYS = Array.from({ length: 28 }, (_, index) => index + 1).filter((day) => !DAYS.includes(day));
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
for (let first = 0; first < schedules; first += 500) {
  const batch = Array.from({ length: Math.min(500, schedules - first) }, (_, index) => first + index);
  await Promise.all(
    batch.map((number) =>
      yard.schedule(`tick-${number}`, tick, number, { cron: cronOf(number), timeZone: TIME_ZONE }),
    ),
  );
}
const lines = new Set(Array.from({ length: schedules }, (_, number) => cronOf(number))).size;
process.stdout.write(`declared ${schedules} of ${lines} cron lines in ${Date.now() - startedAt} ms\n`);
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

function cronOf(number: number): string {
  if (!values.distinct) return "*/20 * * * * *";
  const others = OTHER_DAYS.filter((_, bit) => Math.floor(number / 2 ** bit) % 2 === 1);
  return `*/20 * * ${[...DAYS, ...others].join(",")} * *`;
}

function dayOf(time: number): number {
  return Number(new Intl.DateTimeFormat("en", { day: "numeric", timeZone: TIME_ZONE }).format(time));
}
