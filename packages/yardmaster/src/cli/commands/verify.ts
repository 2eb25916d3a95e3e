import type { Command } from "commander";
import { isCode, messageOf } from "../../protocol/errors.ts";
import { checkHistory, type Verdict } from "../../testing/history-file.ts";
import { EXIT } from "../exit-code.ts";
import { linesOf } from "../file-lines.ts";
import { whole } from "../options.ts";
import { outputOf, usage } from "../target.ts";
import type { Exit } from "../yard-command.ts";

const MOST_SHOWN = 100;

/** The history checker: verify. */
export function addVerify(program: Command, exit: Exit): void {
  program
    .command("verify <history>")
    .description("check a history, one fact in JSON a line, against the promises")
    .option("--slots <n>", "the most attempts that one worker may have at a time", whole(1, 1_000_000))
    .action(async (file: string, { slots = 1_000_000 }: { slots?: number }, command: Command) =>
      exit(report(command, await check(file, slots))),
    );
}

async function check(file: string, slots: number): Promise<Verdict> {
  const lines = linesOf(file);
  try {
    return await checkHistory(lines, { slots });
  } catch (error) {
    if (isCode(error, "INVALID_INPUT")) throw error;
    throw usage(`${file} cannot be read: ${messageOf(error)}`);
  } finally {
    lines.close();
  }
}

function report(command: Command, { facts, violations }: Verdict): number {
  const output = outputOf(command);
  for (const { rule, at, message } of violations.slice(0, MOST_SHOWN))
    output.say(`${(at / 1000).toFixed(3)} s  ${rule}: ${message}`);
  const more = violations.length > MOST_SHOWN ? ` (the first ${MOST_SHOWN} are shown)` : "";
  output.say(`${facts} facts, ${violations.length} broken promises${more}`);
  output.emit({ facts, violations });
  return violations.length === 0 ? EXIT.ok : EXIT.taskFailed;
}
