import { Argument, type Command } from "commander";
import { bashCompletion, fishCompletion, zshCompletion } from "../completion.ts";
import { EXIT } from "../exit-code.ts";
import type { Exit } from "../yard-command.ts";

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
type Shell = keyof typeof SCRIPTS;

export function addCompletion(program: Command, exit: Exit): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>").choices(Object.keys(SCRIPTS)))
    .description('print what a shell needs to complete commands: eval "$(yardmaster completion bash)"')
    .action((shell: Shell) => {
      process.stdout.write(SCRIPTS[shell](program));
      exit(EXIT.ok);
    });
}
