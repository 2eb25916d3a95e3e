import { YardmasterError } from "../protocol/errors.ts";
import type { Handler, HandlerSource } from "./handlers.ts";

/** A handler's argument has these; a context must not hide or be hidden by them. */
const RESERVED = ["input", "signal", "attempt", "taskId", "progress", "log", "submit"];

/** The contexts of one worker or thread: each is built once and ended with it. */
export class Contexts {
  readonly #bySource = new Map<HandlerSource, object | null>();

  /** Builds what the handlers need; when one cannot be built, ends those before it and throws what it threw. */
  static async open(handlers: Iterable<Handler>): Promise<Contexts> {
    const contexts = new Contexts();
    for (const { source } of handlers) {
      try {
        await contexts.#build(source);
      } catch (error) {
        await contexts.close();
        throw error;
      }
    }
    return contexts;
  }

  /** Null when there is nothing to add to the handler's argument. */
  of(source: HandlerSource): object | null {
    return this.#bySource.get(source) ?? null;
  }

  /** Ends all contexts, the last one first; the first error is thrown when all have been tried. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (const context of [...this.#bySource.values()].reverse()) {
      try {
        if (context !== null) await end(context);
      } catch (error) {
        errors.push(error);
      }
    }
    this.#bySource.clear();
    if (errors.length > 0) throw errors[0];
  }

  async #build(source: HandlerSource): Promise<void> {
    if (this.#bySource.has(source)) return;
    const context: unknown = source.context === null ? null : await source.context();
    if (context === null) {
      this.#bySource.set(source, null);
      return;
    }
    if (typeof context !== "object") throw refused("must answer with an object");
    this.#bySource.set(source, context);
    const taken = RESERVED.find((name) => name in context);
    if (taken !== undefined)
      throw refused(`must not have a property ${taken}: every handler has one already`);
  }
}

async function end(context: object): Promise<void> {
  const method = [Symbol.asyncDispose, Symbol.dispose, "close"].find(
    (name) => typeof Reflect.get(context, name) === "function",
  );
  if (method !== undefined) await Reflect.apply(Reflect.get(context, method), context, []);
}

function refused(what: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", `createHandlers: context ${what}.`, {
    details: { field: "context" },
  });
}
