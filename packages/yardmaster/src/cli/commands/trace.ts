import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { messageOf, YardmasterError } from "../../protocol/errors.ts";
import { EXIT } from "../exit-code.ts";
import { time } from "../options.ts";
import { outputOf, usage } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

interface TraceOptions {
  readonly from?: number;
  readonly to?: number;
}

/** What a yard did, for the policy laboratory: trace. */
export function addTrace(program: Command, exit: Exit): void {
  program
    .command("trace <file>")
    .description(
      "write what the yard did to a .jsonl file, for simulate: no inputs or results, but keys and labels",
    )
    .option("--from <time>", "only tasks submitted at or after this (ISO)", time)
    .option("--to <time>", "only tasks submitted before this (ISO)", time)
    .action(async (file: string, options: TraceOptions, command: Command) =>
      exit(await trace(command, file, options)),
    );
}

function trace(command: Command, file: string, { from, to }: TraceOptions): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    let tasks = -1;
    async function* lines(): AsyncGenerator<string> {
      const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
      for await (const line of yard.trace(range)) {
        tasks += 1;
        yield `${JSON.stringify(line)}\n`;
      }
    }
    await written(file, lines());
    output.say(`${tasks} tasks written to ${file}. Try: yardmaster simulate ${file}`);
    output.emit({ file, tasks });
    return EXIT.ok;
  });
}

/** Under another name until it is whole. */
async function written(file: string, lines: AsyncIterable<string>): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline(lines, createWriteStream(part));
    await rename(part, file);
  } catch (error) {
    // What names no file at all cannot be removed either.
    await rm(part, { force: true }).catch(() => undefined);
    const isOurs = error instanceof Error && !(error instanceof YardmasterError) && "code" in error;
    throw isOurs ? usage(`${file} cannot be written: ${messageOf(error)}`) : error;
  }
}
