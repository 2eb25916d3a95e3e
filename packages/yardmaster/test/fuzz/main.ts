import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { resolve } from "node:path";
import { inspect, parseArgs } from "node:util";
import { CLI_TARGETS } from "./cli-target.ts";
import { DECODER_TARGETS } from "./decoder-targets.ts";
import { DISPATCHER_TARGETS } from "./dispatcher-target.ts";
import { CLIENT_TARGETS, EXPORT_TARGETS } from "./export-targets.ts";
import { MAILBOX_TARGETS } from "./mailbox-target.ts";
import { RESTORE_TARGETS } from "./restore-target.ts";
import { share, type Target } from "./target.ts";

/**
 * `npm run fuzz -- --cases N [--seed S] [--only TEXT] [--record]`: N cases of the decoders, a hundredth of that of each
 * other target. `--record` appends what came of it to docs/runs/fuzz.jsonl.
 */
const { values } = parseArgs({
  options: {
    cases: { type: "string" },
    seed: { type: "string" },
    only: { type: "string" },
    record: { type: "boolean", default: false },
  },
});
const RECORDS = resolve(import.meta.dirname, "../../../../docs/runs/fuzz.jsonl");
const cases = Number(values.cases ?? 1_000_000);
const seed = Number(values.seed ?? process.pid * 7_919);
const only = values.only ?? "";

const startedAt = performance.now();
const targets: Record<string, number> = {};
let failures = 0;
let total = 0;
for (const one of DECODER_TARGETS) await run(one, share(DECODER_TARGETS, one, cases));
for (const one of [
  ...DISPATCHER_TARGETS,
  ...MAILBOX_TARGETS,
  ...RESTORE_TARGETS,
  ...CLI_TARGETS,
  ...Object.values(EXPORT_TARGETS),
  ...CLIENT_TARGETS,
])
  await run(one, Math.ceil(cases / 100));
const outcome = { seed, cases: total, failures };
process.stdout.write(`${JSON.stringify(outcome)}\n`);
if (values.record) {
  const commit = execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).trim();
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  appendFileSync(RECORDS, `${JSON.stringify({ commit, ...outcome, seconds, targets })}\n`);
}
process.exitCode = failures === 0 ? 0 : 1;

async function run(one: Target, count: number): Promise<void> {
  if (!one.what.includes(only)) return;
  const usedBefore = process.cpuUsage().user;
  try {
    const endings = await one.run(count, seed);
    total += count;
    targets[one.what] = count;
    const seconds = Math.round((process.cpuUsage().user - usedBefore) / 10_000) / 100;
    const taken = Math.round(10_000 * endings.share("taken")) / 100;
    process.stdout.write(
      `${one.what}: ${count} cases in ${seconds} s, ${taken} % taken, ${endings.refusals} different refusals\n`,
    );
    for (const [ending, percent] of endings.most(8)) process.stdout.write(`    ${percent} %  ${ending}\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(
      `${one.what}: FAILED; again with --only ${JSON.stringify(one.what)} --seed ${seed}\n${inspect(error, { depth: 1 }).slice(0, 4_000)}\n`,
    );
  }
}
