import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Param, Reply, Request, Usage } from "./role.ts";

export type Role =
  | "dispatcher"
  | "worker"
  | "producer"
  | "soak-worker"
  | "soak-producer"
  | "../chaos/dispatcher"
  | "../chaos/worker"
  | "../chaos/client"
  | "peers/peer-producer"
  | "peers/peer-worker";

/** One process of a scenario. */
export class Process {
  readonly role: Role;
  private readonly child: ChildProcess;
  /** Resolves with how it ended: an exit code or a signal. */
  readonly exited: Promise<number | NodeJS.Signals>;
  private readonly pending = new Map<
    number,
    { resolve(value: unknown): void; reject(reason: Error): void }
  >();
  private last = 0;
  private readonly ready: Promise<unknown>;

  private constructor(role: Role, args: readonly string[], execArgv: readonly string[]) {
    this.role = role;
    this.child = fork(join(import.meta.dirname, `${role}.ts`), args, { execArgv: [...execArgv] });
    this.child.on("message", (reply: Reply) => this.take(reply));
    this.ready = this.answer(0);
    this.exited = once(this.child, "exit").then(([code, signal]) => {
      for (const { reject } of this.pending.values()) reject(new Error(`the ${role} has ended`));
      return signal ?? code;
    });
  }

  /** Starts a process of this role and waits until it takes part in the yard. */
  static async start(role: Role, args: readonly string[], execArgv: readonly string[]): Promise<Process> {
    const started = new Process(role, args, execArgv);
    await started.ready;
    return started;
  }

  /** Calls a method of the role. */
  async ask<T>(method: string, ...params: Param[]): Promise<T> {
    if (!this.isAlive) throw new Error(`the ${this.role} has ended`);
    this.last += 1;
    const request: Request = { number: this.last, method, params };
    const answer = this.answer(this.last);
    // A process that was killed a moment ago: its end rejects the answer, and without this the error would be nobody's.
    this.child.send(request, () => undefined);
    // The roles' own functions say what they answer; the scenario that asks names the same type.
    return (await answer) as T;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  usage(): Promise<Usage> {
    return this.ask("usage");
  }

  async close(): Promise<void> {
    if (!this.isAlive) return;
    this.child.send({ number: 0, method: "close", params: [] } satisfies Request);
    await this.exited;
  }

  kill(): void {
    this.signal("SIGKILL");
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  private answer(number: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.pending.set(number, { resolve, reject });
    });
  }

  private take(reply: Reply): void {
    const waiting = this.pending.get(reply.number);
    this.pending.delete(reply.number);
    if ("error" in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.value);
  }
}

/** Ends this process on a signal as on any other exit: its servers and processes go with it. */
export function exitOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
}
