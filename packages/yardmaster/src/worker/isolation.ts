import { extname } from "node:path";
import { MessageChannel } from "node:worker_threads";
import type { Piscina } from "piscina";
import type { ByteString } from "../protocol/bytes.ts";
import type { Attempt } from "./attempt.ts";
import { type Ending, ended } from "./execution.ts";
import { failureOf } from "./failure.ts";
import type { Call, Handler } from "./handlers.ts";
import type { IsolatedRequest, ToIsolated, ToMain } from "./isolated-runner.ts";

const IDLE_MS = 30_000;

/** The threads in which isolated handlers run, one attempt at a time in each. */
export class Isolation {
  readonly #pool: Piscina;

  private constructor(pool: Piscina) {
    this.#pool = pool;
  }

  /** Null when no handler asks for it: the pool's code is not even loaded then. */
  static async open(handlers: Iterable<Handler>, threads: number): Promise<Isolation | null> {
    if (![...handlers].some(({ isolate }) => isolate === "thread")) return null;
    const { Piscina } = await import("piscina");
    const filename = new URL(`./isolated-runner${extname(import.meta.url)}`, import.meta.url).href;
    // With blocking waits between tasks, a context's own connections would stand still.
    const atomics = "disabled";
    return new Isolation(
      new Piscina({
        filename,
        name: "runIsolated",
        minThreads: 0,
        maxThreads: threads,
        idleTimeout: IDLE_MS,
        atomics,
      }),
    );
  }

  /** Runs an attempt in a thread; never rejects. `news` hears its progress and log. */
  async run(
    attempt: Attempt,
    handler: Handler,
    payload: ByteString,
    news: Pick<Call<unknown>, "progress" | "log">,
  ): Promise<Ending> {
    const { port1, port2 } = new MessageChannel();
    const killer = new AbortController();
    const tell = (message: ToIsolated): void => port1.postMessage(message);
    attempt.terminate = () => killer.abort();
    attempt.tellStop = ({ code, message }) => tell({ type: "stop", code, message });
    port1.on("message", (message: ToMain) => {
      if (message.type === "progress") news.progress(message.fraction, message.note);
      else news.log(message.message, message.level);
    });
    const { id, attempt: number, version, name } = attempt.assign;
    const request: IsolatedRequest = {
      module: handler.module,
      name,
      id,
      attempt: number,
      version,
      payload,
      port: port2,
    };
    try {
      // The thread's file answers with an `Ending`.
      return (await this.#pool.run(request, { transferList: [port2], signal: killer.signal })) as Ending;
    } catch (error) {
      return ended("failed", failureOf(error, "HANDLER_FAILED"));
    } finally {
      port1.close();
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
