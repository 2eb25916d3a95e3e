import { readdirSync, readFileSync } from "node:fs";
import type { Process } from "./processes.ts";

/** Linux counts in hundredths of a second, whatever its kernel's clock. */
const MICROS_PER_TICK = 10_000;

/**
 * What the servers that this bench has started have spent on the CPU, by the operating system's account: everything
 * below this process that is no process of the yard. 0 where the system does not say, and for a file as engine.
 */
export function engineCpuMicros(yard: readonly Pick<Process, "pid">[]): number {
  const own = new Set(yard.map(({ pid }) => pid));
  const all = processes();
  let ticks = 0;
  const visit = (parent: number): void => {
    for (const one of all) {
      if (one.parent !== parent || own.has(one.pid)) continue;
      ticks += one.ticks;
      visit(one.pid);
    }
  };
  visit(process.pid);
  return ticks * MICROS_PER_TICK;
}

interface Counted {
  readonly pid: number;
  readonly parent: number;
  /** Its own, and that of its children that have ended: a PostgreSQL session is a process. */
  readonly ticks: number;
}

function processes(): Counted[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => counted(Number(name)));
  } catch {
    return [];
  }
}

function counted(pid: number): Counted[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const number = (index: number): number => Number(fields[index]);
    // The 14th to the 17th field of proc(5), of which the first two are cut off here.
    return [{ pid, parent: number(1), ticks: number(11) + number(12) + number(13) + number(14) }];
  } catch {
    return []; // It is gone.
  }
}
