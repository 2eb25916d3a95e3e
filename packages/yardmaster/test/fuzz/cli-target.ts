import fc from "fast-check";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runProgram } from "../../src/cli/program.ts";
import { YardmasterError } from "../../src/protocol/errors.ts";
import { createHandlers } from "../../src/worker/handlers.ts";
import { defineTask } from "../../src/definition.ts";
import { startYard } from "../../src/yard.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, expectPristine } from "./judgement.ts";
import { type Target, target } from "./target.ts";

const URL = "memory:command-line";
const ID = "01a20a41-b509-7bda-b299-aa96b368d005";

/** Those that end by themselves; the others run until a signal, and take the same options. */
const COMMANDS = [
  ["submit"],
  ["status"],
  ["result"],
  ["cancel"],
  ["explain"],
  ["story"],
  ["retry"],
  ["list"],
  ["queues"],
  ["queues", "apply"],
  ["pause"],
  ["resume"],
  ["workers"],
  ["drain"],
  ["schedules"],
  ["schedule"],
  ["simulate"],
  ["verify"],
  ["doctor"],
  ["--help"],
  ["--version"],
  [],
] as const;
const OPTIONS = [
  "--json",
  "--wait-ms",
  "--queue",
  "--priority",
  "--delay-ms",
  "--key",
  "--attempts",
  "--timeout-ms",
  "--state",
  "--name",
  "--limit",
  "--label",
  "--resource",
  "--cron",
  "--every-ms",
  "--time-zone",
  "--unheard-of",
  "--__proto__",
  "--constructor",
] as const;
// A lone dash would wait for what somebody types.
const word = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS, ID, ID.toUpperCase(), "{}", "1", "-1", "1e3", "[1", '{"__proto__":1}', "default", "echo"),
  fc.string({ maxLength: 20 }).filter((text) => text !== "-"),
);
const option = fc.oneof(
  fc.constantFrom(...OPTIONS).map((name) => [name]),
  fc.tuple(fc.constantFrom(...OPTIONS), word).map(([name, value]) => [name, value]),
  fc.tuple(fc.constantFrom(...OPTIONS), word).map(([name, value]) => [`${name}=${value}`]),
);
const line = fc
  .tuple(fc.constantFrom(...COMMANDS), fc.array(word, { maxLength: 3 }), fc.array(option, { maxLength: 3 }))
  .map(([command, words, options]) => [...command, ...words, ...options.flat()]);

const echo = defineTask({ name: "echo" });
const { on } = createHandlers();

/** A command line ends with one of the documented codes, or with a typed error that has one. */
async function entered(args: readonly string[]): Promise<Ending> {
  const write = { stdout: process.stdout.write, stderr: process.stderr.write };
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
    expectPristine();
  }
}

const lines = target("command lines", 1, line, entered);

export const CLI_TARGETS: readonly Target[] = [
  {
    ...lines,
    async run(cases, seed) {
      const yard = await startYard({ url: URL, handlers: [on(echo, ({ input }) => input)] });
      try {
        return await lines.run(cases, seed);
      } finally {
        await yard.close();
      }
    },
  },
];
