import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Address } from "../servers/engines.ts";

/** The installed package's own command line: the demo uses nothing that a user has not. */
const COMMAND = join(
  dirname(createRequire(import.meta.url).resolve("yardmaster/package.json")),
  "bin/yardmaster.js",
);

/** One line of a process's JSON output: that it is ready, or that something happened to it. */
interface Message {
  readonly event: string;
  readonly worker?: string;
  readonly code?: string;
}

/** A process of the yard, started by this run and ended by it alone. */
export class Member {
  readonly title: string;
  readonly pid: number;
  /** A worker's id, once it is ready. */
  worker = "";
  /** When it last took a shard, by this process's clock; 0 for never. */
  tookShardAt = 0;
  isAlive = true;
  private readonly process: ChildProcess;
  private readonly exited: Promise<unknown>;
  readonly ready: Promise<void>;

  constructor(title: string, args: readonly string[], address: Address) {
    this.title = title;
    this.process = spawn(process.execPath, [COMMAND, ...args, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...variablesOf(address) },
    });
    if (this.process.pid === undefined) throw new Error(`${title} could not be started`);
    this.pid = this.process.pid;
    this.exited = once(this.process, "exit").then(() => {
      this.isAlive = false;
    });
    this.ready = this.listen();
  }

  /** Ends it as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.exited;
  }

  private listen(): Promise<void> {
    const said: string[] = [];
    const { stdout, stderr } = this.process;
    if (stdout === null || stderr === null) throw new Error(`${this.title} has no output`);
    createInterface({ input: stderr }).on("line", (line) => said.push(line));
    return new Promise((resolve, reject) => {
      createInterface({ input: stdout }).on("line", (line) => {
        const message: Message = JSON.parse(line);
        if (message.code === "SHARD_TAKEN") this.tookShardAt = Date.now();
        if (message.event !== "ready") return;
        this.worker = message.worker ?? "";
        resolve();
      });
      this.exited.then(() => reject(new Error(`${this.title} ended:\n${said.join("\n")}`)), reject);
    });
  }
}

/** The processes that serve the yard. */
export class Fleet {
  readonly dispatchers: Member[] = [];
  readonly workers: Member[] = [];

  /** Starts them all and waits until each one is ready. */
  async start(
    address: Address,
    counts: { dispatchers: number; workers: number; slots: number },
  ): Promise<void> {
    for (let number = 1; number <= counts.dispatchers; number += 1) {
      const member = new Member(`dispatcher ${number}`, ["dispatcher"], address);
      this.dispatchers.push(member);
      await member.ready;
    }
    const file = join(import.meta.dirname, "worker.ts");
    for (let number = 1; number <= counts.workers; number += 1) {
      const args = ["worker", file, "--slots", String(counts.slots)];
      this.workers.push(new Member(`worker ${number}`, args, address));
    }
    await Promise.all(this.workers.map(({ ready }) => ready));
  }

  /** The dispatcher that took the shard last and lives. */
  get owner(): Member | undefined {
    const takers = this.dispatchers.filter(({ tookShardAt }) => tookShardAt > 0);
    return takers.sort((a, b) => b.tookShardAt - a.tookShardAt).find(({ isAlive }) => isAlive);
  }

  async stop(): Promise<void> {
    const alive = [...this.workers, ...this.dispatchers].filter(({ isAlive }) => isAlive);
    await Promise.all(alive.map((member) => member.stop()));
  }

  /** Leaves nothing behind, whatever state it is in. */
  async killAll(): Promise<void> {
    const alive = [...this.workers, ...this.dispatchers].filter(({ isAlive }) => isAlive);
    await Promise.all(alive.map((member) => member.kill()));
  }
}

/** An address as the command line finds it in its environment: a password there is not in the list of processes. */
function variablesOf(address: Address): NodeJS.ProcessEnv {
  const none = { YARDMASTER_URL: undefined, YARDMASTER_BROKER: undefined, YARDMASTER_STORE: undefined };
  if (typeof address === "string") return { ...none, YARDMASTER_URL: address };
  return { ...none, YARDMASTER_BROKER: address.broker, YARDMASTER_STORE: address.store };
}
