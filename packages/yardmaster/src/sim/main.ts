import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { simulate } from "./campaign.ts";
import { describePlan, planOf, readPlan, writePlan } from "./run-plan.ts";
import { type RunReport, runSeed } from "./scenario.ts";
import { shrink } from "./shrink.ts";
import { hex, print, printViolations } from "./violations.ts";

const USAGE = `npm run sim -- [--seeds N] [--from N] [--until-failure] [--json]   runs N seeds (default 500)
npm run sim -- --seeds N --repeat-every M                          runs each Mth seed twice (each of up to 2,000 seeds, else each 5th)
npm run sim -- --seeds N --record     appends what came of every 1,000 seeds to docs/runs/sim.jsonl, and goes on where that ends
npm run sim -- --seed N [--trace] [--history FILE]                 runs one seed: what it drew, its course if wanted; and keeps its facts
npm run sim -- --seed N --shrink FILE                              takes out of it what it fails without, and keeps the rest
npm run sim -- --plan FILE [--trace]                               runs what was kept`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "500" },
      from: { type: "string" },
      "repeat-every": { type: "string" },
      seed: { type: "string" },
      plan: { type: "string" },
      trace: { type: "boolean", default: false },
      history: { type: "string" },
      shrink: { type: "string" },
      json: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      "until-failure": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { seed, plan, trace, history, from, json, record, "repeat-every": repeatEvery } = values;
  if (values.help) {
    print(USAGE);
    return 0;
  }
  if (seed !== undefined && values.shrink !== undefined) return shrinkSeed(wholeNumber(seed), values.shrink);
  if (seed !== undefined) return replay(wholeNumber(seed), trace, history);
  if (plan !== undefined) return replayPlan(plan, trace);
  return simulate({
    from: from === undefined ? null : wholeNumber(from),
    most: wholeNumber(values.seeds),
    repeatEvery: repeatEvery === undefined ? null : Math.max(1, wholeNumber(repeatEvery)),
    untilFailure: values["until-failure"],
    json,
    record,
  });
}

async function replay(seed: number, trace: boolean, history: string | undefined): Promise<number> {
  const facts: string[] = [];
  // A trace begins with it.
  if (!trace) print(describePlan(planOf(seed)));
  const report = await runSeed(seed, {
    ...(trace ? { print } : {}),
    ...(history === undefined ? {} : { record: (fact) => facts.push(JSON.stringify(fact)) }),
  });
  if (history !== undefined) writeFileSync(history, `${facts.join("\n")}\n`);
  return conclude(report);
}

async function replayPlan(file: string, trace: boolean): Promise<number> {
  const plan = readPlan(readFileSync(file, "utf8"));
  return conclude(await runSeed(plan.seed, { plan, ...(trace ? { print } : {}) }));
}

function conclude(report: RunReport): number {
  const { seed, events, virtualMs, hash } = report;
  print(`seed ${seed}: ${events} events, ${(virtualMs / 1000).toFixed(1)} s, trace ${hex(hash)}`);
  printViolations(report);
  return report.violations.length === 0 ? 0 : 1;
}

async function shrinkSeed(seed: number, file: string): Promise<number> {
  const plan = planOf(seed);
  const [first] = (await runSeed(seed, { plan })).violations;
  if (first === undefined) {
    print(`seed ${seed} fails no more`);
    return 1;
  }
  const small = await shrink(plan, async (smaller) => {
    const { violations } = await runSeed(seed, { plan: smaller });
    return violations.some(({ rule }) => rule === first.rule);
  });
  writeFileSync(file, `${writePlan(small)}\n`);
  print(`${first.rule} with ${small.workload.tasks.length} of ${plan.workload.tasks.length} tasks: ${file}`);
  return conclude(await runSeed(seed, { plan: small }));
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${text} is not a whole number\n${USAGE}`);
  return value;
}

process.exitCode = await main();
