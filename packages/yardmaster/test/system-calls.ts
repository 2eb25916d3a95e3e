import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { findProgram } from "../../../servers/server.ts";

/** A system call of a traced process. */
export interface SystemCall {
  readonly pid: string;
  readonly name: string;
  /** Its arguments as strace shows them: file descriptors with their files, and what was written. */
  readonly args: string;
  /** The trace's lines that show its beginning and its end; infinity for one that had none. */
  readonly begun: number;
  readonly ended: number;
}

const TRACED = "fdatasync,fsync,write,pwrite64,sendto";

/**
 * Traces a program, or a process and all that it starts, from now on. `stop` ends the trace of a process. Throws
 * ServerMissing.
 */
export async function traced(
  file: string,
  target: readonly string[] | number,
): Promise<{ readonly ended: Promise<void>; stop(): Promise<void> }> {
  const strace = findProgram("strace", "apt-get install strace");
  const what = typeof target === "number" ? ["-p", `${target}`] : target;
  const child = spawn(
    strace,
    ["-f", "-ttt", "-y", "-s", "8192", "-e", `trace=${TRACED}`, "-o", file, ...what],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(child, "exit");
  let output = "";
  child.stderr.on("data", (text: Buffer) => {
    output += text.toString();
  });
  // It tells when it holds a process.
  while (typeof target === "number" && !output.includes("attached") && child.exitCode === null)
    await Promise.race([once(child.stderr, "data"), exited]);
  const ended = exited.then(([code]) => {
    if (code !== 0 && child.signalCode === null && typeof target !== "number") throw new Error(output);
  });
  return {
    ended,
    stop: async () => {
      child.kill("SIGINT");
      await exited;
    },
  };
}

/** The calls of a trace, in the order of their beginnings. */
export function callsIn(file: string): SystemCall[] {
  const calls: { -readonly [K in keyof SystemCall]: SystemCall[K] }[] = [];
  const open = new Map<string, (typeof calls)[number]>();
  for (const [line, text] of readFileSync(file, "latin1").split("\n").entries()) {
    const [, pid = "", rest = ""] = /^(\d+) +[\d.]+ (.*)$/.exec(text) ?? [];
    const resumed = open.get(pid);
    if (rest.startsWith("<... ") && resumed !== undefined) {
      resumed.ended = line;
      open.delete(pid);
      continue;
    }
    const [, name = "", args = ""] = /^(\w+)\((.*)$/.exec(rest) ?? [];
    if (name === "") continue;
    const isUnfinished = rest.endsWith("<unfinished ...>");
    const call = { pid, name, args, begun: line, ended: isUnfinished ? Number.POSITIVE_INFINITY : line };
    calls.push(call);
    if (isUnfinished) open.set(pid, call);
  }
  return calls;
}
