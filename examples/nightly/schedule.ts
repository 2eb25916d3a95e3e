import { connect } from "yardmaster";
import { report } from "./worker.ts";

/*
 * Declares the schedule; safe to run at each deployment. In one terminal:
 *   npx yardmaster start examples/nightly/worker.ts
 * In another, then or at any time:
 *   node examples/nightly/schedule.ts
 */
const yard = await connect(process.env["YARDMASTER_URL"] ?? "sqlite:./yard.db");
const { nextAt } = await yard.schedule(
  "nightly",
  report,
  { kind: "sales" },
  // A night that was missed is made up for once; one report at a time.
  { cron: "0 3 * * *", timeZone: "Europe/Berlin", missed: "once", overlap: "skip" },
);
console.log(`next at ${nextAt}`);

// Nobody waits for the night to see whether it works.
const task = await yard.schedules.runNow("nightly");
console.log(await yard.handle(report, task.id).result({ timeoutMs: 30_000 }));
await yard.close();
