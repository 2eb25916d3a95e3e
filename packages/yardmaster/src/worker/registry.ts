import { queueRecordOf } from "../definition/queue.ts";
import type { AnyTask } from "../definition.ts";
import type { Register } from "../protocol/envelope.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";
import type { QueueRecord, TaskError } from "../protocol/task.ts";
import { failure } from "./failure.ts";
import { type Handler, isHandler } from "./handlers.ts";

/** What a worker can run, by task name. */
export class Registry {
  readonly #byName = new Map<string, Handler>();

  /** Throws INVALID_OPTIONS for what is no handler and for two handlers of one name. */
  constructor(handlers: readonly Handler[]) {
    if (!Array.isArray(handlers))
      throw refused("handlers must be an array of what on(definition, handler) makes");
    for (const handler of handlers) {
      if (!isHandler(handler)) throw refused("handlers must be made by on(definition, handler)");
      const { name } = handler.definition;
      if (this.#byName.has(name)) throw refused(`there are two handlers for ${quoted(name)}`);
      this.#byName.set(name, handler);
    }
    if (this.#byName.size === 0) throw refused("a worker needs at least one handler");
  }

  get handlers(): Iterable<Handler> {
    return this.#byName.values();
  }

  /** The handler of a name, if it takes this version of the input. */
  find(name: string, version: number): Handler | undefined {
    const handler = this.#byName.get(name);
    if (handler === undefined || handler.definition.version === version) return handler;
    return version >= oldestVersion(handler.definition) && version < handler.definition.version
      ? handler
      : undefined;
  }

  /** What to answer when `find` finds nothing. */
  unknown(name: string, version: number): TaskError {
    const known = this.#byName.get(name);
    const names = [...this.#byName.keys()].sort().join(", ");
    const message =
      known === undefined
        ? `This worker has no handler for ${quoted(name)}; it has ${names}.`
        : `This worker has ${name} in version ${known.definition.version} and no upgrade from version ${version}.`;
    return failure("TASK_UNKNOWN", message);
  }

  /** Every version that can be taken, upgrades included. */
  get tasks(): Register["tasks"] {
    return [...this.#byName.values()].flatMap(({ definition }) => {
      const { name, version } = definition;
      const oldest = oldestVersion(definition);
      return Array.from({ length: version - oldest + 1 }, (_, index) => ({ name, version: oldest + index }));
    });
  }

  get queues(): readonly QueueRecord[] {
    const queues = new Map<string, QueueRecord>();
    for (const { definition } of this.#byName.values()) {
      const { queueDefinition } = definition;
      if (queueDefinition !== undefined) queues.set(definition.queue, queueRecordOf(queueDefinition));
    }
    return [...queues.values()];
  }
}

function oldestVersion({ version, upgrade }: AnyTask): number {
  let oldest = version;
  while (upgrade[oldest - 1] !== undefined) oldest -= 1;
  return oldest;
}

function refused(what: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", `startWorker: ${what}.`, { details: { field: "handlers" } });
}
