import { resolve } from "node:path";
import { connect } from "yardmaster";
import { type Address, openPlace } from "../servers/engines.ts";
import { ServerMissing } from "../servers/server.ts";
import { DigestRun } from "./digest-run.ts";
import { filesIn } from "./files.ts";
import { Fleet } from "./fleet.ts";
import { type DemoOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { Progress } from "./progress.ts";
import { complaints, summary } from "./report.ts";

/*
 * Digests the files of this project's dependencies with two dispatchers and four workers, kills a worker that has
 * tasks and then the dispatcher that is in charge, and checks every result against a plain computation.
 */
const COUNTS = { dispatchers: 2, workers: 4, slots: 8 } as const;
const FILES = resolve(import.meta.dirname, "../node_modules");
const LIMIT_MS = 120_000;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), process.env);
  const fleet = new Fleet();
  const interrupted = interruption();
  // A server takes seconds to start: when somebody has enough of that, it goes with this process.
  const engines = await Promise.race([openPlace(options.place), interrupted]);
  try {
    return await Promise.race([demonstrate(options, fleet, engines.address()), interrupted]);
  } finally {
    await fleet.killAll();
    await engines.stop();
  }
}

async function demonstrate(options: DemoOptions, fleet: Fleet, address: Address): Promise<number> {
  const log = options.json ? process.stderr : process.stdout;
  await fleet.start(address, COUNTS);
  log.write(`${COUNTS.dispatchers} dispatchers and ${COUNTS.workers} workers are ready\n`);
  const paths = await filesIn(FILES, options.files);
  const yard = await connect(address);
  const { engines } = await yard.health();
  for (const { engine, durability } of engines) log.write(`${engine}: ${durability}\n`);
  const report = await new DigestRun(yard, fleet, new Progress(log, fleet, paths.length), paths).run();
  await yard.close();
  await fleet.stop();
  log.write(`\n${summary(report)}\n`);
  const failures = complaints(report);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  if (options.json) console.log(JSON.stringify(report));
  return failures.length === 0 ? 0 : 1;
}

/** Rejects when somebody or the time limit ends the run. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the run took longer than ${LIMIT_MS / 1_000} s`)), LIMIT_MS).unref();
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
    }
  });
}

try {
  process.exit(await main());
} catch (error) {
  const isUsage = error instanceof UsageError;
  if (isUsage) console.error(`${error.message}\n${USAGE}`);
  else console.error(error instanceof ServerMissing ? error.message : error);
  process.exit(isUsage ? 2 : 1);
}
