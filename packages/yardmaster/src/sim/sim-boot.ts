import { startClient } from "../client/client.ts";
import { startDispatcherOn } from "../dispatcher/dispatcher.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { InvariantError, messageOf } from "../protocol/errors.ts";
import { createHandlers, fail, type Handler, type HandlerEnd, retryIn } from "../worker/handlers.ts";
import { startWorkerOn } from "../worker/worker.ts";
import type { ClientScript } from "./sim-client.ts";
import type { SimDefinitions, SimInput } from "./sim-definitions.ts";
import type { SimProcess } from "./sim-process.ts";
import { playAttempt } from "./sim-tasks.ts";
import { type Boot, CLOSE_TIMEOUT_MS } from "./sim-yard.ts";

const CLOSE = { timeoutMs: CLOSE_TIMEOUT_MS };

export function bootDispatcher(maxLive: number): Boot {
  return async (process, engine) => {
    const inspect = (kernel: Kernel): void => checkKernel(kernel, process);
    const onAlarm = ({ code, message }: { code: string; message: string }): void =>
      process.note("alarm", `${code}: ${message}`);
    const { host, name } = process;
    const limits = { maxLive };
    const dispatcher = await startDispatcherOn({ engine, host, owner: name, limits, onAlarm, inspect });
    return { close: () => dispatcher.close(CLOSE) };
  };
}

/** The dispatcher goes on either way, so that a look at its memory changes no course. */
function checkKernel(kernel: Kernel, { name, world }: SimProcess): void {
  const { impossible } = kernel.oddities;
  try {
    kernel.checkInvariants();
    if (impossible > 0) throw new InvariantError(`${impossible} events came to tasks where they cannot.`);
  } catch (error) {
    world.history.report("INVARIANT_BROKEN", `${name}, shard ${kernel.shard}: ${messageOf(error)}`);
  }
}

export function bootWorker(definitions: SimDefinitions, slots: number): Boot {
  return async (process, engine) => {
    const handlers = [...handlersOf(process, definitions)];
    const report = (what: string, error: unknown): void =>
      process.note("report", `${what}: ${String(error)}`);
    const { host, name } = process;
    const worker = await startWorkerOn({ engine, host, handlers, slots, id: name, report });
    return { close: async () => void (await worker.close(CLOSE)) };
  };
}

function* handlersOf(process: SimProcess, definitions: SimDefinitions): Generator<Handler> {
  const { on, onBatch } = createHandlers();
  for (const [
    definition,
    {
      definition: { batch },
    },
  ] of definitions.all()) {
    if (batch === null) yield on(definition, (call) => play(process, definitions, call.input, call));
    else
      yield onBatch(definition, batch, (calls) =>
        Promise.all(calls.map((call) => play(process, definitions, call.input, call).catch(errorOf))),
      );
  }
}

/** In a batch an error is the end of one of its tasks. */
function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

export function bootClient(script: ClientScript): Boot {
  return async (process, engine) => {
    const client = await startClient({ engine, host: process.host });
    if (process.alive) script.play(process, client);
    return { close: () => client.close(CLOSE) };
  };
}

async function play(
  process: SimProcess,
  definitions: SimDefinitions,
  input: SimInput,
  call: Parameters<typeof playAttempt>[2],
): Promise<HandlerEnd<SimInput>> {
  const end = await playAttempt(process, definitions.planOf(input), call);
  switch (end.type) {
    case "returned":
      return end.result;
    case "threw":
      throw planned(end.message);
    case "failed":
      return fail(end.message);
    case "retryIn":
      return retryIn(end.delayMs);
  }
}

/** Where it was thrown depends on what the real host has compiled by then. */
function planned(message: string): Error {
  const error = new Error(message);
  error.stack = message;
  return error;
}
