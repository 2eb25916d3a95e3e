import type { Command } from "commander";
import { EXIT } from "../exit-code.ts";
import { plain } from "../plain-text.ts";
import { outputOf } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

/** The commands about workers: workers, drain. */
export function addWorkers(program: Command, exit: Exit): void {
  program
    .command("workers")
    .description("list the workers and what they are doing")
    .action(async (_: unknown, command: Command) => exit(await list(command)));
  program
    .command("drain <worker>")
    .description("let a worker finish what it runs, take no more and end")
    .action(async (worker: string, _: unknown, command: Command) => exit(await drain(command, worker)));
}

function list(command: Command): Promise<number> {
  return withYard(command, async (yard) => {
    outputOf(command).list(await yard.workers(), {
      headings: ["WORKER", "STATE", "USED", "SLOTS", "RESOURCES", "TASKS", "LABELS"],
      row: (worker) => [
        worker.id,
        worker.draining ? "draining" : "ready",
        String(worker.used),
        String(worker.credit),
        Object.entries(worker.resources)
          .map(([name, amount]) => `${name}=${worker.resourcesUsed[name] ?? 0}/${amount}`)
          .join(" "),
        worker.tasks.join(", "),
        Object.entries(worker.labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(" "),
      ],
      json: (worker) => worker,
      none: "no workers: start one with yardmaster worker FILE",
    });
    return EXIT.ok;
  });
}

function drain(command: Command, worker: string): Promise<number> {
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    await yard.drain(worker);
    output.say(`${plain(worker)} takes no more tasks and ends when it has finished those it runs`);
    output.emit({ worker, draining: true });
    return EXIT.ok;
  });
}
