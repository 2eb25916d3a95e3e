import { existsSync, readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { YardAddress } from "yardmaster";
import { beginInspection, endInspection } from "./inspection.ts";

/** A question of the bench to one of its processes. */
export interface Request {
  readonly number: number;
  readonly method: string;
  readonly params: readonly Param[];
}

export type Param = number | string;

export type Reply =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly error: string };

/** What a process has used so far, by the operating system's account. */
export interface Usage {
  readonly cpuMicros: number;
  readonly rssBytes: number;
  /** After a garbage collection. */
  readonly heapBytes: number;
  /** Open file descriptors, sockets included; 0 where the system does not list them. */
  readonly files: number;
}

type Methods = Readonly<Record<string, (...params: never[]) => unknown>>;

/** The yard of this process, which its first argument has as JSON. */
export function place(): YardAddress {
  const address: string | Exclude<YardAddress, { readonly url: string }> = JSON.parse(process.argv[2] ?? "");
  return typeof address === "string" ? { url: address } : address;
}

/** Answers the bench's questions until it says `close`, which ends the process. */
export function serve(methods: Methods, close: () => Promise<unknown>): void {
  const all: Methods = { ...methods, usage, memory, beginInspection, endInspection };
  process.on("message", (request: Request) => {
    if (request.method === "close") void close().then(() => process.exit(0), fail);
    else void answer(all, request).catch(fail);
  });
  process.once("disconnect", () => process.exit(1));
  process.send?.({ number: 0, value: null } satisfies Reply);
}

async function answer(methods: Methods, { number, method, params }: Request): Promise<void> {
  try {
    // Who asks names a method with what it takes.
    const value = await methods[method]?.(...(params as never[]));
    process.send?.({ number, value: value ?? null } satisfies Reply);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.send?.({ number, error: text } satisfies Reply);
  }
}

function usage(): Usage {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const files = existsSync(FILES) ? readdirSync(FILES).length : 0;
  return { cpuMicros: userCPUTime + systemCPUTime, rssBytes: rss, heapBytes: heapUsed, files };
}

/** As `usage`, after a garbage collection. */
function memory(): Usage {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  collectGarbage();
  collectGarbage();
  return usage();
}

const FILES = "/proc/self/fd";

function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}
