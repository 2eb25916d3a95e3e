import type { MessagePort } from "node:worker_threads";
import type { ByteString } from "../protocol/bytes.ts";
import type { LogLine } from "../protocol/envelope.ts";
import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import type { TaskId } from "../protocol/task.ts";
import { Contexts } from "./contexts.ts";
import { type Ending, execute } from "./execution.ts";
import type { Call, Handler } from "./handlers.ts";
import { loadHandlers } from "./loader.ts";

/** The file that an isolated handler's thread runs. */
export interface IsolatedRequest {
  readonly module: string;
  readonly name: string;
  readonly id: TaskId;
  readonly attempt: number;
  readonly version: number;
  readonly payload: ByteString;
  readonly port: MessagePort;
}

export interface ToIsolated {
  readonly type: "stop";
  readonly code: ErrorCode;
  readonly message: string;
}

export type ToMain =
  | { readonly type: "progress"; readonly fraction: number; readonly note: string }
  | { readonly type: "log"; readonly message: string; readonly level: LogLine["level"] };

interface Loaded {
  readonly handlers: readonly Handler[];
  readonly contexts: Contexts;
}

/** By module: imported, and its contexts built, once for each thread. */
const loaded = new Map<string, Promise<Loaded>>();

/** Runs one attempt. The pool calls it by its name, which no import shows. @public */
export async function runIsolated(request: IsolatedRequest): Promise<Ending> {
  const { module, name, payload, version, port } = request;
  const controller = new AbortController();
  port.on("message", ({ code, message }: ToIsolated) => controller.abort(new YardmasterError(code, message)));
  try {
    const { handlers, contexts } = await load(module);
    const handler = handlers.find(({ definition }) => definition.name === name);
    if (handler === undefined) throw missing(module, name);
    const context = contexts.of(handler.source);
    return await execute(handler, payload, version, (input) =>
      callOf(request, input, controller.signal, context),
    );
  } finally {
    port.close();
  }
}

function load(module: string): Promise<Loaded> {
  const known = loaded.get(module);
  if (known !== undefined) return known;
  const loading = open(module);
  loaded.set(module, loading);
  loading.catch(() => loaded.delete(module));
  return loading;
}

async function open(module: string): Promise<Loaded> {
  const handlers = await loadHandlers(module);
  return { handlers, contexts: await Contexts.open(handlers) };
}

function callOf(
  request: IsolatedRequest,
  input: unknown,
  signal: AbortSignal,
  context: object | null,
): Call<unknown> {
  const tell = (message: ToMain): void => request.port.postMessage(message);
  return {
    ...context,
    input,
    signal,
    attempt: request.attempt,
    taskId: request.id,
    progress: (fraction, note = "") => tell({ type: "progress", fraction, note: String(note) }),
    log: (message, level = "info") => tell({ type: "log", message: String(message), level }),
    submit: async () => {
      throw new YardmasterError("UNSUPPORTED", "A handler in an isolated thread cannot submit tasks.");
    },
  };
}

function missing(module: string, name: string): YardmasterError {
  return new YardmasterError(
    "INVALID_WORKER_FILE",
    `${module} does not export a handler for ${name} by default.`,
  );
}
