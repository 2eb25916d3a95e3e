import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { Scratch } from "./scratch.ts";

/** So many take part in a run that rotates. */
const ROTATING = 5;
/** A simulation that has not ended by then goes round in circles, and its bug counts as not found. */
const MOST_MS = 600_000;

const USAGE = `npm run mutants -- [--only NAME] [--rotate N] [--seeds N] [--json]
  plants bugs into a copy of the source and simulates it until a seed fails; each must be found within N seeds (2000)
  --rotate N   only the Nth ${ROTATING} of them, round and round`;

interface Finding {
  readonly name: string;
  /** The first seed that failed, or null when none did. */
  readonly seed: number | null;
  /** The promise that it saw broken. */
  readonly rule: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      rotate: { type: "string" },
      seeds: { type: "string", default: "2000" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    print(USAGE);
    return 0;
  }
  const mutants = chosen(values.only, values.rotate);
  const scratch = await Scratch.make();
  const findings: Finding[] = [];
  try {
    for (const mutant of mutants) {
      const finding = await hunt(mutant, scratch, wholeNumber(values.seeds));
      findings.push(finding);
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
  const args = ["src/sim/main.ts", "--until-failure", "--seeds", String(seeds)];
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
