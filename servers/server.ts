import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** A private server for tests, demos and benchmarks: on loopback, on a free port, with a folder of its own. */
export interface Server {
  /** Such as "Redis"; for messages. */
  readonly name: string;
  /** The address of a new, empty yard on this server: each call names another one. */
  yardUrl(): string;
  /** Ends it as a power cut ends a process: SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and the same data, after `kill`. Resolves when it answers. */
  start(): Promise<void>;
  /** Stops its processes in their tracks (SIGSTOP), and lets them go on (SIGCONT). */
  freeze(): void;
  thaw(): void;
  /** How many connections its clients have to it at the moment. */
  connections(): Promise<number>;
  /** What it keeps of all its yards. */
  footprint(): Promise<Footprint>;
  /** Ends it for good and removes its folder. */
  stop(): Promise<void>;
}

/** Counts of what an engine keeps, by its own words for it, and sizes, whose names end in "Bytes". */
export type Footprint = Readonly<Record<string, number>>;

/** Thrown where a server's program is not installed; the message has the line that installs it. */
export class ServerMissing extends Error {
  override readonly name = "ServerMissing";
}

/** The path of the first of these programs that is installed, in PATH or in one of `folders`. */
export function findProgram(name: string, install: string, folders: readonly string[] = []): string {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), ...folders];
  for (const place of places) {
    const path = join(place, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  throw new ServerMissing(`${name} is not installed. To install it: ${install}`);
}

/** A port of 127.0.0.1 that nobody uses at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("No port was given.");
  return address.port;
}

/** Starts a server anew, on other ports, where a port that was free is somebody's by the time that the server takes it. */
export async function onFreePorts<T>(start: () => Promise<T>, tries = 3): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (tries === 1 || !/address (already )?in use|eaddrinuse/i.test(String(error))) throw error;
    return await onFreePorts(start, tries - 1);
  }
}

/** A child process of ours, ended by its id and never by its name. It is killed when this process exits. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  #output = "";

  constructor(program: string, args: readonly string[], options: SpawnOptions = {}) {
    this.child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.#output = `${this.#output}${text.toString()}`.slice(-4_000);
      });
    }
    const killNow = (): void => void this.child.kill("SIGKILL");
    process.once("exit", killNow);
    this.exited = new Promise((resolve) => {
      this.child.once("exit", () => {
        process.removeListener("exit", killNow);
        resolve();
      });
      this.child.once("error", (error) => {
        this.#output += String(error);
        resolve();
      });
    });
  }

  /** The end of what it has written. */
  get output(): string {
    return this.#output;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.exited;
  }

  /**
   * Calls `answers` until it does, or throws what the server wrote when it ends or 120 s have passed. A call that takes
   * longer than 5 s counts as none: another program may listen at that port, and never say a word.
   */
  async ready(answers: () => Promise<boolean>): Promise<void> {
    const until = Date.now() + READY_MS;
    const answered = (): Promise<boolean> =>
      Promise.race([answers().catch(() => false), pause(ANSWER_MS, false, { ref: false })]);
    while (!(await answered())) {
      if (this.child.exitCode !== null || this.child.signalCode !== null || Date.now() > until) {
        throw new Error(`The server did not start: ${this.#output}`);
      }
      await pause(RETRY_MS);
    }
  }
}

const READY_MS = 120_000;
const ANSWER_MS = 5_000;
const RETRY_MS = 20;
