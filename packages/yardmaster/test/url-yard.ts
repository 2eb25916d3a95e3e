import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { SendOutcome } from "../src/brokers/broker.ts";
import { openEngine } from "../src/connect.ts";
import type { Engine, EngineAddress } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import type { OtherProcess, YardUnderTest } from "../src/testing/conformance.ts";
import type { ChildAnswer, ChildRequest } from "./engine-child.ts";

/** A new yard with two shards for the suites; its other processes are real ones. `remove` is called when all are closed. */
export function urlYard(address: EngineAddress, remove: () => Promise<void>): YardUnderTest {
  const engines: Engine[] = [];
  const children: Child[] = [];
  return {
    engine: async () => {
      const engine = await openEngine(address, systemHost, { shards: 2 });
      engines.push(engine);
      return engine;
    },
    process: async () => {
      const child = new Child(address);
      children.push(child);
      await child.started;
      return child;
    },
    close: async () => {
      for (const engine of engines) await engine.close({ timeoutMs: 1_000 });
      for (const child of children) await child.kill();
      await remove();
    },
  };
}

class Child implements OtherProcess {
  readonly started: Promise<unknown>;
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #waiting = new Map<number, (values: readonly string[]) => void>();
  #number = 0;

  constructor(address: EngineAddress) {
    this.#process = fork(join(import.meta.dirname, "engine-child.ts"), [JSON.stringify(address)], {
      execArgv: ["--no-warnings"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#exited = once(this.#process, "exit");
    this.started = new Promise((resolve) => this.#waiting.set(0, resolve));
    this.#process.on("message", ({ number, values }: ChildAnswer) => {
      this.#waiting.get(number)?.(values);
      this.#waiting.delete(number);
    });
  }

  async hold(name: string): Promise<void> {
    await this.#ask({ ask: "hold", name, frame: "" });
  }

  async send(mailbox: string, frame: string): Promise<readonly SendOutcome[]> {
    const values = await this.#ask({ ask: "send", name: mailbox, frame });
    return values.map((value) => (value === "confirmed" ? "confirmed" : "gone"));
  }

  take(mailbox: string): Promise<readonly string[]> {
    return this.#ask({ ask: "take", name: mailbox, frame: "" });
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  #ask(request: Omit<ChildRequest, "number">): Promise<readonly string[]> {
    this.#number += 1;
    const number = this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, resolve);
      this.#process.send({ number, ...request } satisfies ChildRequest);
      this.#exited.then(() => reject(new Error("The process has ended.")), reject);
    });
  }
}
