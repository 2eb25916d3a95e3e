import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

/** Handlers for the tests of the command line. */
export const HANDLERS: string = join(import.meta.dirname, "cli-handlers.ts");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real `yardmaster` process. */
export class CliProcess {
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<(line: string) => void>();

  constructor(args: readonly string[], folder: string, stdin: string | null = null, main: string = MAIN) {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(?:YARDMASTER_|NODE_OPTIONS|VITEST)/.test(name)),
    );
    this.#process = spawn(process.execPath, ["--no-warnings", main, ...args], {
      cwd: folder,
      env: { ...env, NO_COLOR: "1" },
      stdio: [stdin === null ? "ignore" : "pipe", "pipe", "pipe"],
    });
    this.#process.stdin?.end(stdin);
    this.ended = this.#end();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The first line of stdout or stderr, past or future, that matches; rejects when the process ends without one. */
  line(pattern: RegExp): Promise<string> {
    const found = this.#lines.find((line) => pattern.test(line));
    return found === undefined ? this.nextLine(pattern) : Promise.resolve(found);
  }

  /** The first line from now on that matches; rejects when the process ends without one. */
  nextLine(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (line: string): void => {
        if (!pattern.test(line)) return;
        this.#waiting.delete(look);
        resolve(line);
      };
      this.#waiting.add(look);
      void this.ended.then(({ stderr }) => reject(new Error(`no line ${pattern} in:\n${stderr}`)));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async #end(): Promise<Ended> {
    const { stdout, stderr } = this.#process;
    const closed = once(this.#process, "close");
    const texts = [stdout, stderr].map((stream) => {
      const lines: string[] = [];
      if (stream !== null) {
        createInterface({ input: stream }).on("line", (line) => {
          lines.push(line);
          this.#lines.push(line);
          for (const look of [...this.#waiting]) look(line);
        });
      }
      return lines;
    });
    await closed;
    const { exitCode, signalCode } = this.#process;
    const [out = "", err = ""] = texts.map((lines) => lines.join("\n"));
    return { code: exitCode, signal: signalCode, stdout: out, stderr: err };
  }
}

/** A folder of its own with a yard, and the processes that a test starts in it. */
export class CliYard {
  readonly folder: string = mkdtempSync(join(tmpdir(), "yardmaster-cli-"));
  readonly url: string = `sqlite:${join(this.folder, "yard.db")}`;
  readonly #processes: CliProcess[] = [];

  /** Starts a command that runs on, and waits until it says that it is ready. */
  async start(...args: string[]): Promise<CliProcess> {
    const started = this.#spawn(args);
    await started.line(/is ready/);
    return started;
  }

  /** Starts a command without waiting for anything. */
  spawn(...args: string[]): CliProcess {
    return this.#spawn(args);
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ended> {
    return this.#spawn(args).ended;
  }

  runWithInput(stdin: string, ...args: string[]): Promise<Ended> {
    return this.#spawn(args, stdin).ended;
  }

  /** Runs a command with `--json`, which must succeed, and reads its lines. */
  async json(...args: string[]): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await this.run(...args, "--json");
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout === "" ? [] : stdout.split("\n").map((line) => JSON.parse(line));
  }

  async close(): Promise<void> {
    for (const each of this.#processes) each.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ ended }) => ended));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(args: readonly string[], stdin: string | null = null): CliProcess {
    const spawned = new CliProcess(args, this.folder, stdin);
    this.#processes.push(spawned);
    return spawned;
  }
}
