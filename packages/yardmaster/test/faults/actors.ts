import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LeaseTimes } from "../../src/dispatcher/lease-keeper.ts";
import type { EngineAddress } from "../../src/engine.ts";
import type { ActorMessage, ActorOrder, Tally } from "./fault-process.ts";

/** One real process of a yard. */
export class Actor {
  readonly role: ActorOrder["role"];
  /** A worker's id or a dispatcher's owner name. */
  id = "";
  readonly messages: ActorMessage[] = [];
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #output = "";

  constructor(order: ActorOrder) {
    this.role = order.role;
    this.#process = fork(join(import.meta.dirname, "fault-process.ts"), [JSON.stringify(order)], {
      execArgv: ["--no-warnings"],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.#output = `${this.#output}${text.toString()}`.slice(-8_000);
      });
    }
    this.exited = once(this.#process, "exit").then(() => this.#wake());
    this.#process.on("message", (message: ActorMessage) => {
      this.messages.push(message);
      if (message.type === "ready") this.id = message.id;
      this.#wake();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get output(): string {
    return this.#output;
  }

  signal(name: NodeJS.Signals): void {
    if (this.isAlive) this.#process.kill(name);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  /** Tells a producer to stop, and waits for its tally. */
  async tally(): Promise<Tally> {
    this.#process.send("stop");
    return await this.until((messages) => {
      const last = messages.find((message) => message.type === "tally");
      return last?.type === "tally" ? last.tally : null;
    });
  }

  alarms(code: string): { readonly at: number; readonly message: string }[] {
    return this.messages.flatMap((one) => (one.type === "alarm" && one.code === code ? [one] : []));
  }

  /** Resolves with the first answer that is not null, asked again at each message; rejects when the process ends. */
  until<T>(ask: (messages: readonly ActorMessage[]) => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#watchers.delete(look);
        settle();
      };
      const look = (): void => {
        try {
          const answer = ask(this.messages);
          if (answer !== null) end(() => resolve(answer));
          else if (!this.isAlive) end(() => reject(new Error(`The ${this.role} ended: ${this.#output}`)));
        } catch (error) {
          end(() => reject(error));
        }
      };
      this.#watchers.add(look);
      look();
    });
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

export interface Run {
  readonly at: number;
  readonly id: string;
  readonly attempt: number;
  readonly pid: number;
  readonly number: number;
}

/** A yard of real processes in a folder of its own. */
export class Cast {
  readonly folder: string = mkdtempSync(join(tmpdir(), "yardmaster-faults-"));
  readonly address: EngineAddress;
  readonly actors: Actor[] = [];

  /** `address` may be made from the folder. */
  constructor(address: EngineAddress | ((folder: string) => EngineAddress)) {
    this.address = typeof address === "function" ? address(this.folder) : address;
  }

  async start(
    role: ActorOrder["role"],
    options: {
      readonly times?: LeaseTimes;
      readonly slots?: number;
      readonly rate?: number;
      /** Another way to the same yard. */
      readonly address?: EngineAddress;
    } = {},
  ): Promise<Actor> {
    const actor = new Actor({ role, address: this.address, folder: this.folder, ...options });
    this.actors.push(actor);
    await actor.until((messages) => messages.find(({ type }) => type === "ready") ?? null);
    return actor;
  }

  /** The dispatcher that took shard 0 last. */
  get owner(): Actor | null {
    const takers = this.actors
      .filter(({ role, isAlive }) => role === "dispatcher" && isAlive)
      .map((actor) => ({ actor, at: actor.alarms("SHARD_TAKEN").at(-1)?.at ?? 0 }))
      .filter(({ at }) => at > 0);
    return takers.sort((a, b) => b.at - a.at)[0]?.actor ?? null;
  }

  /** What the handlers wrote down, in the order of starting. */
  runs(): Run[] {
    const file = join(this.folder, "ran.log");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    return lines.map((line) => {
      const [at, id = "", attempt, pid, number] = line.split(" ");
      return { at: Number(at), id, attempt: Number(attempt), pid: Number(pid), number: Number(number) };
    });
  }

  /** A file that tasks wait for. */
  gate(name: string): { readonly path: string; readonly open: () => void } {
    const path = join(this.folder, name);
    return { path, open: () => writeFileSync(path, "") };
  }

  /** Ends everything that was started. */
  async close(): Promise<void> {
    for (const actor of this.actors) actor.signal("SIGCONT");
    await Promise.all(this.actors.map((actor) => actor.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** How many tasks a second were done in the steps that lie wholly within the time. */
export function rates(producer: Actor, from: number, to: number): number[] {
  const steps = producer.messages.filter((message) => message.type === "progress");
  const found: number[] = [];
  for (const [index, step] of steps.entries()) {
    // Four quarter seconds make one window.
    const before = steps[index - 4];
    if (before === undefined || before.at < from || step.at > to) continue;
    found.push(((step.done - before.done) * 1_000) / (step.at - before.at));
  }
  return found;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
