import type { Command } from "commander";
import { type BulkStep, cancelStep, retryStep } from "../../client/bulk.ts";
import { isTerminal, STATES, type State, TERMINAL_STATES, type TerminalState } from "../../protocol/task.ts";
import type { Yard } from "../../yard.ts";
import { EXIT } from "../exit-code.ts";
import { oneOf, whole } from "../options.ts";
import { errorText, type Output } from "../output.ts";
import { ProgressBar } from "../progress-bar.ts";
import { outputOf, usage } from "../target.ts";
import { type Exit, withYard } from "../yard-command.ts";

interface Filter {
  readonly queue?: string;
  readonly name?: string;
  readonly limit: number;
  readonly dryRun?: boolean;
}

type Unfinished = Exclude<State, TerminalState>;
type Step = (yard: Yard, page: { readonly limit: number; readonly cursor?: string }) => Promise<BulkStep>;

const UNFINISHED = STATES.filter((state): state is Unfinished => !isTerminal(state));
const PAGE = 500;
const MOST = 1_000_000;

/** The commands about many tasks: bulk cancel, bulk retry. */
export function addBulk(program: Command, exit: Exit): void {
  const bulk = program.command("bulk").description("cancel, or submit again, all tasks that fit");
  withFilter(bulk.command("cancel"))
    .description("cancel unfinished tasks, oldest first")
    .option("--state <state>", UNFINISHED.join(", "), oneOf(UNFINISHED))
    .option("--reason <text>", "kept in the tasks' records", "")
    .action(async (options: Filter & { state?: Unfinished; reason: string }, command: Command) =>
      exit(
        await run(command, "cancel", options, (yard, page) =>
          cancelStep(
            yard,
            { ...filterOf(options), ...page },
            { reason: options.reason, dryRun: options.dryRun === true },
          ),
        ),
      ),
    );
  withFilter(bulk.command("retry"))
    .description("submit ended tasks again as new ones, newest first")
    .option("--state <state>", TERMINAL_STATES.join(", "), oneOf(TERMINAL_STATES), "failed")
    .action(async (options: Filter & { state?: TerminalState }, command: Command) =>
      exit(
        await run(command, "retry", options, (yard, page) =>
          retryStep(yard, { ...filterOf(options), ...page }, { dryRun: options.dryRun === true }),
        ),
      ),
    );
}

function withFilter(command: Command): Command {
  return command
    .option("--queue <queue>", "only tasks of this queue")
    .option("--name <name>", "only tasks of this name")
    .option("--limit <number>", "at most this many", whole(1, MOST), MOST)
    .option("--dry-run", "only say which");
}

function filterOf<S extends State>({
  queue,
  name,
  state,
}: {
  queue?: string;
  name?: string;
  state?: S;
}): {
  queue?: string;
  name?: string;
  state?: S;
} {
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(name === undefined ? {} : { name }),
    ...(state === undefined ? {} : { state }),
  };
}

function run(
  command: Command,
  what: string,
  options: Filter & { readonly state?: State },
  step: Step,
): Promise<number> {
  const { limit, dryRun = false, queue, name, state } = options;
  if (queue === undefined && name === undefined && state === undefined)
    throw usage(`bulk ${what} needs --queue, --name or --state: it would take every task`);
  const output = outputOf(command);
  return withYard(command, async (yard) => {
    const tally = { matched: 0, done: 0, failed: 0 };
    const bar = new ProgressBar(what);
    try {
      await steps(yard, step, limit, dryRun, (taken) => {
        tally.matched += taken.matched.length;
        tally.done += taken.done;
        tally.failed += taken.failed.length;
        bar.tell(tally.done + tally.failed, null, tally.failed);
        tellStep(taken, dryRun, output);
      });
    } finally {
      bar.end();
    }
    output.note(dryRun ? `${tally.matched} fit` : `${tally.done} done, ${tally.failed} failed`);
    return tally.failed > 0 ? EXIT.taskFailed : EXIT.ok;
  });
}

/** Page after page, until nothing is left, nothing is moved any more, or enough are done. */
async function steps(
  yard: Yard,
  step: Step,
  limit: number,
  dryRun: boolean,
  tell: (taken: BulkStep) => void,
): Promise<void> {
  let left = limit;
  let cursor: string | undefined;
  while (left > 0) {
    const taken = await step(yard, {
      limit: Math.min(PAGE, left),
      ...(cursor === undefined ? {} : { cursor }),
    });
    tell(taken);
    left -= taken.matched.length;
    const isMoving = taken.done > 0 || (taken.cursor !== null && taken.cursor !== cursor);
    if (!taken.more || !isMoving || (dryRun && taken.cursor === null)) return;
    cursor = taken.cursor ?? undefined;
  }
}

function tellStep(taken: BulkStep, dryRun: boolean, output: Output): void {
  for (const { id, error } of taken.failed) output.note(`${id} ${errorText(error)}`);
  const failed = new Set(taken.failed.map(({ id }) => id));
  for (const id of taken.matched) {
    if (dryRun) output.say(id);
    output.emit({ id, done: !dryRun && !failed.has(id) });
  }
}
