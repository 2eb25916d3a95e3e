import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

/** `yardmaster top` in a pseudo terminal. */
class Terminal {
  readonly #process: ChildProcess;
  readonly #looks = new Set<() => void>();
  text = "";

  constructor(url: string) {
    const command = [process.execPath, "--no-warnings", MAIN, "top", "--interval-ms", "100", "--url", url];
    const inside = `stty cols 110 rows 30; exec ${command.map((word) => `'${word}'`).join(" ")}`;
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
    if (this.#process.exitCode === null) await once(this.#process, "exit");
    return this.#process.exitCode;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}

describe("yardmaster top", () => {
  let yard: CliYard;

  beforeEach(async () => {
    yard = new CliYard();
    await yard.start("start", HANDLERS, "--slots", "3", "--label", "zone=eu");
    await yard.run("submit", "echo", "1", "--queue", "mail", "--wait");
  });

  afterEach(() => yard.close());

  it("lives in a terminal until q, and gives it back", async () => {
    const terminal = new Terminal(yard.url);
    try {
      await terminal.shows(/mail.*open/);
      await terminal.shows(/zone=eu/);
      terminal.press(" ");
      await terminal.shows(/paused/);
      terminal.press(" ");
      await terminal.shows(/slots .*0\/3 on 1 workers/);
      terminal.press("q");
      expect(await terminal.ended()).toBe(0);
      expect(terminal.text.startsWith("\u001b[?1049h")).toBe(true);
      expect(terminal.text.trimEnd().endsWith("\u001b[?1049l")).toBe(true);
    } finally {
      terminal.kill();
    }
  });

  it("is one look where no terminal is", async () => {
    const { code, stdout } = await yard.run("top", "--interval-ms", "100");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mail +open/m);
    expect(stdout).not.toContain("\u001b");
    const [seen] = await yard.json("top", "--interval-ms", "100");
    expect(seen).toMatchObject({ stats: { slots: 3 }, stuck: [] });
  });
});
