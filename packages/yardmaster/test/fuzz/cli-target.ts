import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Command } from "commander";
import fc from "fast-check";
import { EXIT } from "../../src/cli/exit-code.ts";
import { createProgram, runProgram } from "../../src/cli/program.ts";
import { defineTask } from "../../src/definition.ts";
import { YardmasterError } from "../../src/protocol/errors.ts";
import { createHandlers } from "../../src/worker/handlers.ts";
import { startYard } from "../../src/yard.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, expectPristine } from "./judgement.ts";
import { type Target, target } from "./target.ts";

const URL = "memory:command-line";
/** Lines that are inputs, and one that is none. */
const TYPED = Buffer.from('1\n{"__proto__":{"polluted":1}}\n[1\n');
const ID = "01a20a41-b509-7bda-b299-aa96b368d005";

/** They run until a signal comes, or until somebody leaves the screen. */
const UNENDING: ReadonlySet<string> = new Set(["dev", "start", "worker", "dispatcher", "serve", "top"]);

/** Without a limit it would wait for a task that nobody runs. */
const ENDLESS_OPTION = "--wait";

interface Entry {
  /** As `["queues", "apply"]`; of the program itself nothing. */
  readonly words: readonly string[];
  readonly options: readonly string[];
  /** How many arguments it takes. */
  readonly takes: number;
}

/** Every command with its options, as the program itself has them: a new one is fed from its first day. */
function entriesOf(command: Command, words: readonly string[] = []): Entry[] {
  const options = command.options.flatMap(({ long }) =>
    typeof long === "string" && long !== ENDLESS_OPTION ? [long] : [],
  );
  const inner = command.commands.filter((one) => words.length > 0 || !UNENDING.has(one.name()));
  const takes = command.registeredArguments.length;
  return [{ words, options, takes }, ...inner.flatMap((one) => entriesOf(one, [...words, one.name()]))];
}

const ENTRIES = entriesOf(createProgram(() => undefined));

/** The fed ones, as `queues apply`, and those that are left out, for who checks that nothing else is. */
export const COMMANDS: {
  readonly fed: readonly string[];
  readonly unending: ReadonlySet<string>;
} = {
  fed: ENTRIES.map(({ words }) => words.join(" ")),
  unending: UNENDING,
};
const SHARED_OPTIONS = [
  "--json",
  "--help",
  "--version",
  "--unheard-of",
  "--__proto__",
  "--constructor",
] as const;
const word = fc.oneof(
  fc.constantFrom(
    ...HOSTILE_TEXTS,
    ID,
    ID.toUpperCase(),
    "{}",
    "1",
    "-1",
    "1e3",
    "[1",
    '{"__proto__":1}',
    "default",
    "echo",
    "-",
    "--many",
    "failed",
    "bash",
  ),
  // Some commands write the file that they are told to: nothing outside of the run's own folder.
  fc.string({ maxLength: 20 }).filter((text) => !text.startsWith("/") && !text.includes("..")),
);
const line = fc.constantFrom(...ENTRIES).chain(({ words, options, takes }) => {
  const own = fc.constantFrom(...options, "--json");
  const name = fc.oneof({ weight: 4, arbitrary: own }, fc.constantFrom(...SHARED_OPTIONS));
  // A line that falls at the first check reaches nothing: most have as many arguments as there should be.
  const given = fc.oneof(
    { weight: 4, arbitrary: fc.array(word, { minLength: takes, maxLength: takes }) },
    fc.array(word, { maxLength: 3 }),
  );
  const option = fc.oneof(
    name.map((one) => [one]),
    fc.tuple(name, word).map(([one, value]) => [one, value]),
    fc.tuple(name, word).map(([one, value]) => [`${one}=${value}`]),
  );
  return fc
    .tuple(given, fc.array(option, { maxLength: 2 }))
    .map(([args, more]) => [...words, ...args, ...more.flat()]);
});

const echo = defineTask({ name: "echo" });
const { on } = createHandlers();

/** A command line ends with one of the documented codes, or with a typed error that has one. */
async function entered(args: readonly string[]): Promise<Ending> {
  const write = { stdout: process.stdout.write, stderr: process.stderr.write };
  const stdin = Object.getOwnPropertyDescriptor(process, "stdin");
  // Whoever is told to read what somebody types gets this.
  Object.defineProperty(process, "stdin", { configurable: true, value: Readable.from([TYPED]) });
  process.stdout.write = () => true;
  process.stderr.write = () => true;
  try {
    const code = await runProgram(["--url", URL, ...args]);
    if (!Object.values(EXIT).some((known) => known === code)) throw new Error(`It ends with ${code}.`);
    return code === EXIT.ok ? "taken" : `exit ${code}`;
  } catch (error) {
    if (!(error instanceof YardmasterError)) throw error;
    return error.code;
  } finally {
    Object.assign(process.stdout, { write: write.stdout });
    Object.assign(process.stderr, { write: write.stderr });
    if (stdin !== undefined) Object.defineProperty(process, "stdin", stdin);
    expectPristine();
  }
}

const lines = target("command lines", line, entered);

export const CLI_TARGETS: readonly Target[] = [
  {
    ...lines,
    async run(cases, seed) {
      const yard = await startYard({ url: URL, handlers: [on(echo, ({ input }) => input)] });
      const before = process.cwd();
      const folder = mkdtempSync(join(tmpdir(), "yardmaster-fuzz-"));
      // Deep enough that what climbs out of it stays within the run's own folders.
      const inside = join(folder, "a/b/c/d/e/f");
      mkdirSync(inside, { recursive: true });
      process.chdir(inside);
      try {
        return await lines.run(cases, seed);
      } finally {
        process.chdir(before);
        rmSync(folder, { recursive: true, force: true });
        await yard.close();
      }
    },
  },
];
