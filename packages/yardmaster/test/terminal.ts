import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

/** A `yardmaster` command in a pseudo terminal. */
export class Terminal {
  readonly #process: ChildProcess;
  readonly #looks = new Set<() => void>();
  /** Everything that it has drawn. */
  text = "";

  constructor(args: readonly string[], input?: string) {
    const command = [process.execPath, "--no-warnings", MAIN, ...args].map((word) => `'${word}'`).join(" ");
    const from = input === undefined ? "" : ` < '${input}'`;
    const inside = `stty cols 110 rows 30; exec ${command}${from}`;
    this.#process = spawn("script", ["-qefc", inside, "/dev/null"], {
      env: { ...process.env, TERM: "xterm", SHELL: "/bin/sh" },
    });
    this.#process.stdout?.on("data", (data: Buffer) => {
      this.text += data.toString("utf8");
      for (const look of [...this.#looks]) look();
    });
  }

  press(key: string): void {
    this.#process.stdin?.write(key);
  }

  /** Waits for what is drawn from now on. */
  async shows(pattern: RegExp): Promise<void> {
    const from = this.text.length;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(this.text.slice(from))) return;
        this.#looks.delete(look);
        resolve();
      };
      this.#looks.add(look);
      this.#process.once("exit", () => reject(new Error(`it ended, and showed: ${this.text}`)));
    });
  }

  async ended(): Promise<number | null> {
    if (this.#process.exitCode === null) await once(this.#process, "close");
    return this.#process.exitCode;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
