import { type Command, Option } from "commander";
import type { Alarm } from "../../dispatcher/alarm.ts";
import { isUnavailable } from "../../engine-watch.ts";
import type { Handler } from "../../worker/handlers.ts";
import { loadHandlers } from "../../worker/loader.ts";
import { type ConnectOptions, startDispatcher, startWorker } from "../../yard.ts";
import { EXIT, exitCodeOf } from "../exit-code.ts";
import { GUIDE_VARIABLE, guide } from "../guide.ts";
import { label, MAX_MS, resource, whole } from "../options.ts";
import { errorLine, type Output } from "../output.ts";
import { plain } from "../plain-text.ts";
import { shutdownAsked } from "../shutdown.ts";
import { engineWaitOf, outputOf, type Target, targetOf } from "../target.ts";
import type { Exit } from "../yard-command.ts";

interface WorkerOptions {
  readonly slots: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly resource?: Readonly<Record<string, number>>;
  readonly graceMs: number;
  readonly tracing?: boolean;
}

/** A part of the yard that runs in this process. */
interface Service {
  close(options: { readonly timeoutMs: number }): Promise<unknown>;
}

const GRACE_MS = 30_000;
/** What closing may take beyond the time that tasks have. */
const CLOSE_MS = 5_000;
const MAX_SLOTS = 10_000;
/** Long enough for a server that is started at the same time, short enough for a supervisor to notice a wrong address. */
const WAIT_FOR_ENGINE_SECONDS = 30;

/** The commands that run until they are told to end: start, worker, dispatcher. */
export function addServe(program: Command, exit: Exit): void {
  addWorkerOptions(program.command("start <file>"))
    .description("run a worker file and a dispatcher able to take over, in one process")
    .action(async (file: string, options: WorkerOptions, command: Command) =>
      exit(await serveWorker(command, options, file, true)),
    );
  addWorkerOptions(program.command("worker <file>"))
    .description("run the handlers that a file exports")
    .action(async (file: string, options: WorkerOptions, command: Command) =>
      exit(await serveWorker(command, options, file, false)),
    );
  program
    .command("dispatcher")
    .description("run a dispatcher: it owns what it can and stands by for the rest")
    .action(async (_: unknown, command: Command) => exit(await serveDispatcher(command)));
}

function addWorkerOptions(command: Command): Command {
  return command
    .option("--slots <number>", "how many tasks run at the same time", whole(1, MAX_SLOTS), 10)
    .option("--label <key=value>", "a label of this worker; may be repeated", label)
    .option("--resource <name=amount>", "what tasks may need, as cpu=4; may be repeated", resource)
    .option(
      "--grace-ms <ms>",
      "how long running tasks may take to finish when asked to end",
      whole(0, MAX_MS),
      GRACE_MS,
    )
    .addOption(
      new Option("--tracing", "continue the traces of tasks through @opentelemetry/api").env(
        "YARDMASTER_TRACING",
      ),
    );
}

async function serveDispatcher(command: Command): Promise<number> {
  const output = outputOf(command);
  return untilAsked(command, output, async (target, wait) => {
    const dispatcher = await openDispatcher(target, wait, output);
    return {
      drained: null,
      close: () => {
        output.note("giving up what it owns");
        return closeAll([dispatcher], CLOSE_MS, output);
      },
    };
  });
}

async function serveWorker(
  command: Command,
  { slots, label: labels = {}, resource: resources = {}, graceMs, tracing = false }: WorkerOptions,
  file: string,
  withDispatcher: boolean,
): Promise<number> {
  const output = outputOf(command);
  const handlers = await loadHandlers(file);
  return untilAsked(command, output, async (target, wait) => {
    const dispatcher = withDispatcher ? [await openDispatcher(target, wait, output)] : [];
    const report = (what: string, error: unknown): void => {
      // The engine's loss is told once, elsewhere.
      if (!isUnavailable(error)) output.note(`${what}: ${errorLine(error)}`);
    };
    const settings = { handlers, slots, labels, resources, tracing, report };
    const worker = await startWorker({ ...target, ...wait, ...settings });
    announce(worker.id, handlers, slots, output);
    if (process.env[GUIDE_VARIABLE] !== undefined) output.note(guide(handlers, target));
    return {
      drained: worker.drained,
      close: () => {
        output.note("finishing what runs and handing back the rest (once more to end at once)");
        return closeAll([worker, ...dispatcher], graceMs, output);
      },
    };
  });
}

/** What a long-running command has started. */
interface Running {
  /** Resolves when it has nothing more to do; null for what never has. */
  readonly drained: Promise<unknown> | null;
  /** Ends it and answers with the exit code. */
  close(): Promise<number>;
}

/** Starts what `open` does and lets it run until a signal asks it to end, also while it still waits for its engine. */
async function untilAsked(
  command: Command,
  output: Output,
  open: (target: Target, wait: ConnectOptions) => Promise<Running>,
): Promise<number> {
  const asked = shutdownAsked();
  const wait = engineWaitOf(command, output, WAIT_FOR_ENGINE_SECONDS);
  let isReachable = true;
  const onEngine: ConnectOptions["onEngine"] = (news) => {
    // A worker and a dispatcher of one process both notice.
    if (news.isUp === isReachable) return;
    isReachable = news.isUp;
    wait.onEngine?.(news);
  };
  const opening = open(targetOf(command), { ...wait, onEngine });
  const running = await Promise.race([opening, asked.then(() => (isReachable ? opening : null))]);
  if (running === null) {
    output.note(`${await asked}: ending before the engine could be reached`);
    return EXIT.ok;
  }
  const drained = running.drained?.then(() => "drained") ?? asked;
  output.note(`${await Promise.race([asked, drained])}: ending`);
  return running.close();
}

function announce(id: string, handlers: readonly Handler[], slots: number, output: Output): void {
  const names = handlers.map(({ definition }) => definition.name);
  output.note(`worker ${id} is ready: ${slots} slots for ${names.map(plain).join(", ")}`);
  output.emit({ event: "ready", worker: id, slots, tasks: names });
}

/** Closes one after the other; what does not close in time is said and does not keep the rest from it. */
async function closeAll(services: readonly Service[], timeoutMs: number, output: Output): Promise<number> {
  let code: number = EXIT.ok;
  for (const service of services) {
    try {
      await service.close({ timeoutMs });
    } catch (error) {
      output.note(errorLine(error));
      code = exitCodeOf(error);
    }
  }
  return code;
}

async function openDispatcher(target: Target, wait: ConnectOptions, output: Output): Promise<Service> {
  const onAlarm = ({ code, shard, message }: Alarm): void => {
    // As in the worker: told once, elsewhere.
    if (code === "ENGINE_UNAVAILABLE") return;
    output.note(`dispatcher: ${message}`);
    output.emit({ event: "alarm", code, shard, message });
  };
  const dispatcher = await startDispatcher({ ...target, ...wait, onAlarm });
  const isOwner = dispatcher.owned().length > 0;
  output.note(`dispatcher ${dispatcher.owner} is ready${isOwner ? "" : ", standing by"}`);
  output.emit({ event: "ready", dispatcher: dispatcher.owner });
  return dispatcher;
}
