import { type Command, Option } from "commander";
import type { Alarm } from "../../dispatcher/alarm.ts";
import { isUnavailable } from "../../engine-watch.ts";
import type { AttemptNews } from "../../worker/attempt-news.ts";
import type { Handler } from "../../worker/handlers.ts";
import { loadHandlers } from "../../worker/loader.ts";
import { type ConnectOptions, startDispatcher, startWorker } from "../../yard.ts";
import { addLogOptions, type EventLog, eventLogOf } from "../event-log.ts";
import { EXIT, exitCodeOf } from "../exit-code.ts";
import { GUIDE_VARIABLE, guide } from "../guide.ts";
import { label, MAX_MS, resource, whole } from "../options.ts";
import { errorText, type Output } from "../output.ts";
import { plain, truncated } from "../plain-text.ts";
import { httpOption, openHttpFace } from "../serve-http.ts";
import { shutdownAsked } from "../shutdown.ts";
import { engineWaitOf, outputOf, type Target, targetOf } from "../target.ts";
import type { Exit } from "../yard-command.ts";

interface WorkerOptions {
  readonly slots: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly resource?: Readonly<Record<string, number>>;
  readonly graceMs: number;
  readonly http?: number;
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
/** Of an error's message in the log. */
const MAX_ERROR = 500;
/** Long enough for a server that is started at the same time, short enough for a supervisor to notice a wrong address. */
const WAIT_FOR_ENGINE_SECONDS = 30;

/** The commands that run until they are told to end: start, worker, dispatcher. */
export function addServe(program: Command, exit: Exit): void {
  addWorkerOptions(program.command("start <file>"))
    .addOption(httpOption())
    .description("run a worker file and a dispatcher able to take over, in one process")
    .action(async (file: string, options: WorkerOptions, command: Command) =>
      exit(await serveWorker(command, options, file, true)),
    );
  addWorkerOptions(program.command("worker <file>"))
    .description("run the handlers that a file exports")
    .action(async (file: string, options: WorkerOptions, command: Command) =>
      exit(await serveWorker(command, options, file, false)),
    );
  addLogOptions(program.command("dispatcher"))
    .description("run a dispatcher: it owns what it can and stands by for the rest")
    .addOption(httpOption())
    .action(async (options: Pick<WorkerOptions, "http">, command: Command) =>
      exit(await serveDispatcher(command, options)),
    );
}

function addWorkerOptions(command: Command): Command {
  return addLogOptions(command)
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

async function serveDispatcher(command: Command, { http }: Pick<WorkerOptions, "http">): Promise<number> {
  const voice = await voiceOf(command);
  return untilAsked(command, voice, async (target, wait) => {
    const faces = await openFaces(target, wait, { http, dispatches: true }, voice);
    const dispatcher = await openDispatcher(target, wait, voice);
    return {
      drained: null,
      close: () => {
        voice.log.tell("info", "ending", "giving up what it owns");
        return closeAll([...faces, dispatcher], CLOSE_MS, voice.log);
      },
    };
  });
}

async function serveWorker(
  command: Command,
  { slots, label: labels = {}, resource: resources = {}, graceMs, http, tracing = false }: WorkerOptions,
  file: string,
  withDispatcher: boolean,
): Promise<number> {
  const voice = await voiceOf(command);
  const { output, log } = voice;
  const handlers = await loadHandlers(file);
  return untilAsked(command, voice, async (target, wait) => {
    const faces = await openFaces(target, wait, { http, dispatches: withDispatcher }, voice);
    const dispatcher = withDispatcher ? [await openDispatcher(target, wait, voice)] : [];
    const report = (what: string, error: unknown): void => {
      // The engine's loss is told once, elsewhere.
      if (!isUnavailable(error)) log.tell("warn", "workerTrouble", `${what}: ${errorText(error)}`);
    };
    const onAttempt = (news: AttemptNews): void => tellAttempt(news, log);
    const settings = { handlers, slots, labels, resources, tracing, onAttempt, report };
    const worker = await startWorker({ ...target, ...wait, ...settings });
    announce(worker.id, handlers, slots, voice);
    if (process.env[GUIDE_VARIABLE] !== undefined) output.note(guide(handlers, target));
    return {
      drained: worker.drained,
      close: () => {
        const message = "finishing what runs and handing back the rest (once more to end at once)";
        log.tell("info", "ending", message, { worker: worker.id, running: worker.running });
        return closeAll([...faces, worker, ...dispatcher], graceMs, log);
      },
    };
  });
}

/** Where a long-running command tells what it does: its answers on stdout, its log on stderr. */
interface Voice {
  readonly output: Output;
  readonly log: EventLog;
}

async function voiceOf(command: Command): Promise<Voice> {
  return { output: outputOf(command), log: await eventLogOf(command) };
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
  { output, log }: Voice,
  open: (target: Target, wait: ConnectOptions) => Promise<Running>,
): Promise<number> {
  const asked = shutdownAsked();
  const wait = engineWaitOf(command, output, WAIT_FOR_ENGINE_SECONDS, ({ isUp, message }) =>
    log.tell(isUp ? "info" : "warn", isUp ? "engineBack" : "engineLost", `engine: ${message}`),
  );
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
    log.tell("info", "ending", `${await asked}: ending before the engine could be reached`);
    return EXIT.ok;
  }
  const drained = running.drained?.then(() => "drained") ?? asked;
  log.tell("info", "ending", `${await Promise.race([asked, drained])}: ending`);
  return running.close();
}

function announce(id: string, handlers: readonly Handler[], slots: number, { output, log }: Voice): void {
  const names = handlers.map(({ definition }) => definition.name);
  const message = `worker ${id} is ready: ${slots} slots for ${names.map(plain).join(", ")}`;
  log.tell("info", "workerReady", message, { worker: id, slots });
  output.emit({ event: "ready", worker: id, slots, tasks: names });
}

/** Closes one after the other; what does not close in time is said and does not keep the rest from it. */
async function closeAll(services: readonly Service[], timeoutMs: number, log: EventLog): Promise<number> {
  let code: number = EXIT.ok;
  for (const service of services) {
    try {
      await service.close({ timeoutMs });
    } catch (error) {
      log.tell("error", "endingFailed", errorText(error));
      code = exitCodeOf(error);
    }
  }
  return code;
}

/** First of all, so that a port that is taken is found out before anything runs. */
async function openFaces(
  target: Target,
  wait: ConnectOptions,
  { http, dispatches }: { readonly http: number | undefined; readonly dispatches: boolean },
  { output, log }: Voice,
): Promise<Service[]> {
  return http === undefined
    ? []
    : [await openHttpFace(target, wait, { port: http, dispatches }, output, log)];
}

async function openDispatcher(
  target: Target,
  wait: ConnectOptions,
  { output, log }: Voice,
): Promise<Service> {
  const onAlarm = ({ code, shard, message }: Alarm): void => {
    // As in the worker: told once, elsewhere.
    if (code === "ENGINE_UNAVAILABLE") return;
    log.tell(levelOf(code), "alarm", `dispatcher: ${message}`, { code, shard });
    output.emit({ event: "alarm", code, shard, message });
  };
  const dispatcher = await startDispatcher({ ...target, ...wait, onAlarm });
  const isOwner = dispatcher.owned().length > 0;
  const message = `dispatcher ${dispatcher.owner} is ready${isOwner ? "" : ", standing by"}`;
  log.tell("info", "dispatcherReady", message, { dispatcher: dispatcher.owner });
  output.emit({ event: "ready", dispatcher: dispatcher.owner });
  return dispatcher;
}

function levelOf(code: Alarm["code"]): "info" | "warn" | "error" {
  switch (code) {
    case "SHARD_TAKEN":
    case "SHARD_HANDED_OVER":
    case "STORE_HAS_ROOM":
      return "info";
    case "FRAME_QUARANTINED":
    case "COMMIT_REFUSED":
    case "UNSUPPORTED_VERSION":
      return "error";
    default:
      return "warn";
  }
}

/** Attempts that succeed are worth a line only to somebody who looks closely. */
function tellAttempt({ end, ...ids }: AttemptNews, log: EventLog): void {
  if (end === undefined) {
    if (log.isOn("debug")) log.tell("debug", "attemptStarted", `${ids.name} has started`, ids);
    return;
  }
  const { kind, code, message, tookMs } = end;
  const level = kind === "failed" || kind === "final" ? "warn" : "debug";
  if (!log.isOn(level)) return;
  const fields = { ...ids, kind, code, error: truncated(message, MAX_ERROR), tookMs: Math.round(tookMs) };
  log.tell(level, "attemptEnded", `${ids.name} has ended: ${kind}`, fields);
}
