import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addBulk } from "./commands/bulk.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addGraphs } from "./commands/graphs.ts";
import { addList } from "./commands/list.ts";
import { addQueues } from "./commands/queues.ts";
import { addSchedules } from "./commands/schedules.ts";
import { addServe } from "./commands/serve.ts";
import { addSimulate } from "./commands/simulate.ts";
import { addSubmit } from "./commands/submit.ts";
import { addTask } from "./commands/task.ts";
import { addTop } from "./commands/top.ts";
import { addTrace } from "./commands/trace.ts";
import { addVerify } from "./commands/verify.ts";
import { addWorkers } from "./commands/workers.ts";
import { EXIT } from "./exit-code.ts";
import { addServeHttp } from "./serve-http.ts";
import { addTargetOptions } from "./target.ts";
import type { Exit } from "./yard-command.ts";

/** Parses and runs one command line; answers with its exit code. Rejects with what ended the command. */
export async function runProgram(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const program = createProgram((exit) => {
    code = exit;
  });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed the complaint, or the help or version that was asked for.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return code;
}

/** Every command with its options; `exit` is told the exit code of the one that runs. */
export function createProgram(exit: Exit): Command {
  const program = new Command("yardmaster")
    .description("A distributed task scheduler.")
    .version(version())
    .exitOverride()
    .showHelpAfterError("(yardmaster --help lists the commands)")
    .configureHelp({ showGlobalOptions: true });
  addTargetOptions(program);
  for (const add of [
    addDev,
    addServe,
    addServeHttp,
    addSubmit,
    addTask,
    addBulk,
    addList,
    addQueues,
    addSchedules,
    addGraphs,
    addWorkers,
    addTop,
    addDoctor,
    addTrace,
    addSimulate,
    addVerify,
    addCompletion,
  ])
    add(program, exit);
  return program;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const isManifest = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return isManifest ? String(manifest.version) : "unknown";
}
