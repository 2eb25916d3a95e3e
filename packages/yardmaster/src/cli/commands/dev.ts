import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { systemHost } from "../../host.ts";
import { EXIT } from "../exit-code.ts";
import { GUIDE_VARIABLE } from "../guide.ts";
import { whole } from "../options.ts";
import type { Output } from "../output.ts";
import { httpOption } from "../serve-http.ts";
import { shutdownAsked } from "../shutdown.ts";
import { watchSources } from "../source-watch.ts";
import { outputOf, targetEnvironment, targetOf, usage, waitFlags } from "../target.ts";
import type { Exit } from "../yard-command.ts";

const MAX_SLOTS = 10_000;
/** A reload waits no longer than this for the tasks that run. */
const RELOAD_GRACE_MS = 3_000;

export function addDev(program: Command, exit: Exit): void {
  program
    .command("dev <file>")
    .description("run everything that a worker file needs, again after each change of its folder")
    .option("--slots <number>", "how many tasks run at the same time", whole(1, MAX_SLOTS), 10)
    .addOption(httpOption())
    .action(async (file: string, { slots, http }: { slots: number; http?: number }, command: Command) => {
      const path = resolve(file);
      if (!existsSync(path)) throw usage(`there is no file ${file}`);
      const faces = http === undefined ? [] : ["--http", String(http)];
      const flags = [...waitFlags(command), "--slots", String(slots), ...faces];
      exit(await develop(path, flags, targetEnvironment(targetOf(command)), outputOf(command)));
    });
}

/** Keeps one `start` process of the file's present text running, until a signal. */
async function develop(
  file: string,
  flags: readonly string[],
  environment: NodeJS.ProcessEnv,
  output: Output,
): Promise<number> {
  const session = new DevSession(file, flags, environment, output);
  const stopWatching = watchSources(systemHost, file, (path) => session.reload(path));
  session.start();
  process.once("exit", () => session.kill());
  void shutdownAsked().then((signal) => session.close(signal));
  await session.ended;
  stopWatching();
  return EXIT.ok;
}

class DevSession {
  private readonly file: string;
  private readonly flags: readonly string[];
  private readonly environment: NodeJS.ProcessEnv;
  private readonly output: Output;
  private child: ChildProcess | null = null;
  private isClosing = false;
  private isReloading = false;
  private end: () => void = () => undefined;
  readonly ended: Promise<void>;

  constructor(file: string, flags: readonly string[], environment: NodeJS.ProcessEnv, output: Output) {
    this.file = file;
    this.flags = flags;
    this.environment = environment;
    this.output = output;
    this.ended = new Promise((settle) => {
      this.end = settle;
    });
  }

  start(): void {
    const grace = ["--grace-ms", String(RELOAD_GRACE_MS)];
    const json = this.output.json ? ["--json"] : [];
    const args = [commandLine(), "start", this.file, ...this.flags, ...grace, ...json];
    // A group of its own: the terminal's Ctrl-C reaches this process, which ends the other in order. The channel
    // carries nothing; the other sees by its end that this process is gone.
    const child = spawn(process.execPath, [...process.execArgv, ...args], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
      env: { ...this.environment, [GUIDE_VARIABLE]: "1" },
    });
    this.child = child;
    child.once("exit", (code) => this.exited(code));
  }

  reload(path: string): void {
    if (this.isClosing || this.isReloading) return;
    this.output.note(`${path} changed: starting again`);
    if (this.child === null) this.start();
    else {
      this.isReloading = true;
      this.child.kill("SIGTERM");
    }
  }

  close(signal: NodeJS.Signals): void {
    this.isClosing = true;
    if (this.child === null) this.end();
    else this.child.kill(signal);
  }

  kill(): void {
    this.child?.kill("SIGKILL");
  }

  private exited(code: number | null): void {
    this.child = null;
    if (this.isClosing) return this.end();
    const isWanted = this.isReloading || code === EXIT.restart;
    this.isReloading = false;
    if (isWanted) this.start();
    else
      this.output.note(
        `the worker ended ${code === null ? "by a signal" : `with code ${code}`}: waiting for a change`,
      );
  }
}

/** This package's own executable, whether it runs from sources or built. */
function commandLine(): string {
  return fileURLToPath(new URL(`../main${extname(import.meta.filename)}`, import.meta.url));
}
