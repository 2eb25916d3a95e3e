import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/**
 * Tells what is going on when a test file does not end, and ends it, so that the others can be counted. Tells of errors
 * that belong to no test too, such as the death of a file's process.
 *
 * The runner's limits cover tests and hooks, but neither a file's loading, nor code that never gives the event loop
 * back, nor a process left behind that keeps the runner's output open.
 */
export class LateFiles implements Reporter {
  readonly #limitMs: number;
  readonly #file: string;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** One at a time: all inspectors listen on the same port. */
  #ending: Promise<void> = Promise.resolve();

  constructor(limitMs: number, file: string) {
    this.#limitMs = limitMs;
    this.#file = file;
  }

  onTestModuleQueued({ moduleId }: TestModule): void {
    this.#expect(moduleId);
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    this.#forget(moduleId);
    // Whatever else is still to end does so within the limit, or there is a next file.
    this.#expect(RUN);
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    this.#forget(RUN);
    for (const { stack, cause } of errors)
      this.#tell(`Outside of the tests: ${stack}\n${cause?.message ?? ""}`);
  }

  #expect(name: string): void {
    this.#forget(name);
    const end = (): void => {
      this.#ending = this.#ending
        .then(() => this.#end(name))
        .catch((error: unknown) => this.#tell(String(error)));
    };
    this.#timers.set(name, setTimeout(end, this.#limitMs).unref());
  }

  #forget(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  async #end(name: string): Promise<void> {
    this.#tell(`${name} has not ended after ${this.#limitMs / 60_000} minutes`);
    this.#tell(execFileSync("ps", ["-eo", PS_FIELDS, "--forest", "--cols", "220"], { encoding: "utf8" }));
    for (const pid of lateRunners(this.#limitMs)) {
      this.#tell(`${pid} is at:\n${await stackOf(pid)}`);
      process.kill(pid, "SIGKILL");
    }
  }

  #tell(text: string): void {
    console.error(text);
    appendFileSync(this.#file, `${text}\n`);
  }
}

/** The processes of this runner that have been at their file for that long. */
function lateRunners(limitMs: number): readonly number[] {
  const fields = ["--ppid", String(process.pid), "-o", "pid=,etimes=,args="];
  return execFileSync("ps", fields, { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/ +/))
    .filter(([, seconds]) => Number(seconds) * 1_000 >= limitMs - START_MS)
    .filter((words) => words.some((word) => word.endsWith("/workers/forks.js")))
    .map(([pid]) => Number(pid));
}

/** Where a process of Node.js is, also one that never gives its event loop back, by its inspector's protocol. */
async function stackOf(pid: number): Promise<string> {
  try {
    process.kill(pid, "SIGUSR1");
    await wait(INSPECTOR_MS);
    const answer = await fetch("http://127.0.0.1:9229/json/list");
    const [target] = (await answer.json()) as readonly { readonly webSocketDebuggerUrl: string }[];
    return await pausedAt(new WebSocket(target?.webSocketDebuggerUrl ?? ""));
  } catch (error) {
    return String(error);
  }
}

function pausedAt(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    const urls = new Map<string, string>();
    let resources = "";
    setTimeout(
      () => resolve(`no statement of JavaScript; it waits for ${resources || "a call of the system"}`),
      PAUSE_MS,
    );
    socket.addEventListener("open", () => {
      const expression = "process.getActiveResourcesInfo().join()";
      const methods = [
        ["Runtime.evaluate", { expression }],
        ["Debugger.enable"],
        ["Debugger.pause"],
      ] as const;
      for (const [id, [method, params]] of methods.entries())
        socket.send(JSON.stringify({ id, method, params }));
    });
    socket.addEventListener("error", () => resolve("its inspector does not answer"));
    socket.addEventListener("message", ({ data }) => {
      const { id, method, params, result } = JSON.parse(String(data)) as InspectorMessage;
      if (id === 0) resources = result?.result?.value ?? "";
      if (method === "Debugger.scriptParsed") urls.set(params?.scriptId ?? "", params?.url ?? "");
      if (method !== "Debugger.paused") return;
      const places = (params?.callFrames ?? []).map(
        ({ functionName, location }) =>
          `  ${functionName} ${urls.get(location.scriptId)}:${location.lineNumber + 1}`,
      );
      resolve(places.join("\n"));
    });
  });
}

interface CallFrame {
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number };
}

interface InspectorMessage {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly scriptId?: string;
    readonly url?: string;
    readonly callFrames?: readonly CallFrame[];
  };
  readonly result?: { readonly result?: { readonly value?: string } };
}

const RUN = "The run";
const PS_FIELDS = "pid,ppid,stat,etimes,times,wchan:20,args";
/** A runner starts its process a little later than it tells of the file. */
const START_MS = 30_000;
const INSPECTOR_MS = 2_000;
const PAUSE_MS = 10_000;
