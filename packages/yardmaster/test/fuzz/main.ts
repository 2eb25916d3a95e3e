import { inspect, parseArgs } from "node:util";
import { CLI_TARGETS } from "./cli-target.ts";
import { DECODER_TARGETS } from "./decoder-targets.ts";
import { DISPATCHER_TARGETS } from "./dispatcher-target.ts";
import { CLIENT_TARGETS, EXPORT_TARGETS } from "./export-targets.ts";
import { MAILBOX_TARGETS } from "./mailbox-target.ts";
import { RESTORE_TARGETS } from "./restore-target.ts";
import { share, type Target } from "./target.ts";

/** `npm run fuzz -- --cases N [--seed S] [--only TEXT]`: N cases of the decoders, a hundredth of that of each other target. */
const { values } = parseArgs({
  options: { cases: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
});
const cases = Number(values.cases ?? 1_000_000);
const seed = Number(values.seed ?? process.pid * 7_919);
const only = values.only ?? "";

let failures = 0;
let total = 0;
for (const one of DECODER_TARGETS) await run(one, share(DECODER_TARGETS, one, cases));
for (const one of [...DISPATCHER_TARGETS, ...MAILBOX_TARGETS, ...RESTORE_TARGETS, ...CLI_TARGETS, ...Object.values(EXPORT_TARGETS), ...CLIENT_TARGETS]) await run(one, Math.ceil(cases / 100));
process.stdout.write(`${JSON.stringify({ seed, cases: total, failures })}\n`);
process.exitCode = failures === 0 ? 0 : 1;

async function run(one: Target, count: number): Promise<void> {
  if (!one.what.includes(only)) return;
  const startedAt = process.cpuUsage().user;
  try {
    const endings = await one.run(count, seed);
    total += count;
    const seconds = Math.round((process.cpuUsage().user - startedAt) / 10_000) / 100;
    const taken = Math.round(10_000 * endings.share("taken")) / 100;
    process.stdout.write(
      `${one.what}: ${count} cases in ${seconds} s, ${taken} % taken, ${endings.refusals} different refusals\n`,
    );
    for (const [ending, percent] of endings.most(8)) process.stdout.write(`    ${percent} %  ${ending}\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(`${one.what}: FAILED; again with --only ${JSON.stringify(one.what)} --seed ${seed}\n${inspect(error, { depth: 1 }).slice(0, 4_000)}\n`);
  }
}
