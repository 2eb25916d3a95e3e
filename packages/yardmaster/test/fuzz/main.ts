import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { inspect, parseArgs } from "node:util";
import { CLI_TARGETS } from "./cli-target.ts";
import { DECODER_TARGETS } from "./decoder-targets.ts";
import { DISPATCHER_TARGETS } from "./dispatcher-target.ts";
import { EXPORT_TARGETS } from "./export-targets.ts";
import { MAILBOX_TARGETS } from "./mailbox-target.ts";
import { METHOD_TARGETS } from "./method-targets.ts";
import { REDIS_TARGETS } from "./redis-targets.ts";
import { RESTORE_TARGETS } from "./restore-target.ts";
import { STORE_TARGETS } from "./store-target.ts";
import type { Target } from "./target.ts";

/**
 * `npm run fuzz -- --cases N [--seed S] [--only TEXT] [--record]`: N cases of each decoder, a hundredth of that of each
 * other target. `--record` appends a line for each target to docs/runs/fuzz.jsonl as soon as it has ended, and leaves
 * out those that have one of this commit with as many cases and no failure.
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
const BESIDE_DECODERS = 0.01;
const cases = Number(values.cases ?? 1_000_000);
const seed = Number(values.seed ?? process.pid * 7_919);
const only = values.only ?? "";

interface Entry {
  readonly commit: string;
  readonly seed: number;
  readonly target: string;
  readonly cases: number;
  readonly failures: number;
  readonly seconds: number;
  /** How many different refusals there were. */
  readonly refusals: number;
}

// One commit for the whole run: whatever is committed meanwhile is not what runs.
const commit = values.record
  ? execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).trim()
  : "";
const recorded = values.record ? recordedOf(commit) : [];
let failures = 0;
let total = 0;
// The quick ones first: what is wrong with them is known before the decoders' millions.
for (const one of [
  ...Object.values(EXPORT_TARGETS),
  ...METHOD_TARGETS,
  ...RESTORE_TARGETS,
  ...REDIS_TARGETS,
  ...STORE_TARGETS,
  ...CLI_TARGETS,
  ...DISPATCHER_TARGETS,
  ...MAILBOX_TARGETS,
])
  await run(one, Math.ceil(cases * one.weight * BESIDE_DECODERS));
for (const one of DECODER_TARGETS) await run(one, Math.ceil(cases * one.weight));
process.stdout.write(`${JSON.stringify({ seed, cases: total, failures })}\n`);
process.exitCode = failures === 0 ? 0 : 1;

async function run(one: Target, count: number): Promise<void> {
  if (!one.what.includes(only)) return;
  const known = recorded.find((entry) => entry.target === one.what && entry.cases >= count);
  if (known !== undefined) {
    process.stdout.write(`${one.what}: recorded, ${known.cases} cases\n`);
    return;
  }
  const usedBefore = process.cpuUsage().user;
  const secondsUsed = (): number => Math.round((process.cpuUsage().user - usedBefore) / 10_000) / 100;
  const entry = { commit, seed, target: one.what, cases: count };
  try {
    const endings = await one.run(count, seed);
    const { refusals } = endings;
    const seconds = secondsUsed();
    total += count;
    keep({ ...entry, failures: 0, seconds, refusals });
    const taken = Math.round(10_000 * endings.share("taken")) / 100;
    process.stdout.write(
      `${one.what}: ${count} cases in ${seconds} s, ${taken} % taken, ${refusals} different refusals\n`,
    );
    for (const [ending, percent] of endings.most(8)) process.stdout.write(`    ${percent} %  ${ending}\n`);
  } catch (error) {
    failures += 1;
    keep({ ...entry, failures: 1, seconds: secondsUsed(), refusals: 0 });
    process.stdout.write(
      `${one.what}: FAILED; again with --only ${JSON.stringify(one.what)} --seed ${seed}\n${inspect(error, { depth: 1 }).slice(0, 4_000)}\n`,
    );
  }
}

function keep(entry: Entry): void {
  if (values.record) appendFileSync(RECORDS, `${JSON.stringify(entry)}\n`);
}

function recordedOf(wanted: string): readonly Entry[] {
  if (!existsSync(RECORDS)) return [];
  return readFileSync(RECORDS, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Entry => JSON.parse(line))
    .filter((entry) => entry.commit === wanted && entry.failures === 0);
}
