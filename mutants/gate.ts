import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { Scratch } from "./scratch.ts";

/** So many take part in a run that rotates. */
const ROTATING = 5;
/** A simulation that has not ended by then goes round in circles, and its bug counts as not found. */
const MOST_MS = 1_800_000;
const RECORDS = resolve(import.meta.dirname, "../docs/runs/mutants.jsonl");

const USAGE = `npm run mutants -- [--only NAME] [--rotate N] [--seeds N] [--record] [--json]
  plants bugs into a copy of the source and simulates it until a seed fails; each must be found within N seeds (2000)
  --rotate N   only the Nth ${ROTATING} of them, round and round
  --record     appends each to docs/runs/mutants.jsonl, and leaves out those that were found at this commit`;

interface Finding {
  readonly name: string;
  /** The first seed that failed, or null when none did. */
  readonly seed: number | null;
  /** The promise that it saw broken. */
  readonly rule: string;
}

/** One line of the record. */
interface Entry extends Finding {
  readonly commit: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      rotate: { type: "string" },
      seeds: { type: "string", default: "2000" },
      record: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    print(USAGE);
    return 0;
  }
  const mutants = chosen(values.only, values.rotate);
  // Before the source is copied: a commit that is made meanwhile is not what runs.
  const at = values.record ? commit() : "";
  const findings: Finding[] = values.record ? recorded(at, mutants) : [];
  const isKnown = ({ name }: Mutant): boolean => findings.some((finding) => finding.name === name);
  const scratch = await Scratch.make();
  try {
    for (const mutant of mutants) {
      if (isKnown(mutant)) continue;
      const finding = await hunt(mutant, scratch, wholeNumber(values.seeds));
      findings.push(finding);
      if (values.record)
        appendFileSync(RECORDS, `${JSON.stringify({ ...finding, commit: at } satisfies Entry)}\n`);
      print(
        finding.seed === null
          ? `${mutant.name}: NOT FOUND. ${mutant.breaks}`
          : `${mutant.name}: seed ${finding.seed}, ${finding.rule}`,
      );
    }
  } finally {
    await scratch.remove();
  }
  const caught = findings.filter(({ seed }) => seed !== null).length;
  if (values.json) print(JSON.stringify({ mutants: mutants.length, caught }));
  else print(`${caught} of ${mutants.length} bugs found`);
  return caught === mutants.length ? 0 : 1;
}

/** What runs is copied from the folder: nothing in it may differ from the commit. */
function commit(): string {
  const changed = execFileSync("git", ["status", "--porcelain", "--", "packages", "mutants"], {
    encoding: "utf8",
  });
  if (changed !== "") throw new RangeError(`There is no record of what is not committed:\n${changed}`);
  return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).trim();
}

/** Which of these an earlier run of the same commit has found; it may have looked for the others no further than it was told. */
function recorded(at: string, mutants: readonly Mutant[]): Finding[] {
  if (!existsSync(RECORDS)) return [];
  const lines = readFileSync(RECORDS, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  // Nobody else writes them.
  const entries = lines.map((line) => JSON.parse(line) as Entry);
  return entries.filter(
    ({ commit, seed, name }) =>
      commit === at && seed !== null && mutants.some((mutant) => mutant.name === name),
  );
}

function chosen(only: string | undefined, rotate: string | undefined): readonly Mutant[] {
  if (only !== undefined) {
    const found = MUTANTS.filter(({ name }) => name === only);
    if (found.length === 0) throw new RangeError(`There is no mutant ${only}.\n${USAGE}`);
    return found;
  }
  if (rotate === undefined) return MUTANTS;
  const from = wholeNumber(rotate) * ROTATING;
  return Array.from({ length: ROTATING }, (_, index) => MUTANTS[(from + index) % MUTANTS.length]).filter(
    (mutant) => mutant !== undefined,
  );
}

async function hunt(mutant: Mutant, scratch: Scratch, seeds: number): Promise<Finding> {
  const takeOut = await scratch.plant(mutant);
  const output = await simulate(scratch.folder, seeds);
  await takeOut();
  const [, seed = "", rule = ""] = /^seed (\d+) at [\d.]+ s: ([A-Z_]+)/m.exec(output) ?? [];
  return { name: mutant.name, seed: seed === "" ? null : Number(seed), rule };
}

/** What the simulation printed; one that was ended or broke down has nothing to say. */
function simulate(folder: string, seeds: number): Promise<string> {
  const args = ["src/sim/main.ts", "--until-failure", "--seeds", String(seeds), "--repeat-every", "5"];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: MOST_MS,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(output));
  });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${text} is not a whole number\n${USAGE}`);
  return value;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main();
