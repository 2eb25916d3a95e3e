import type { Address, Engines } from "../servers/engines.ts";
import { engineCpuMicros } from "./engine-cpu.ts";
import type { Inspection, LoopDelay } from "./inspection.ts";
import type { BenchOptions } from "./options.ts";
import { Process, type Role } from "./processes.ts";
import { noteLoad } from "./profile.ts";
import type { Usage } from "./role.ts";

export type Durability = "full" | "os";

/** What something took: CPU of each role and of the engine's servers, in microseconds. */
export interface Cost<T> {
  readonly result: T;
  readonly cpuMicros: ReadonlyMap<Role | "engine", number>;
}

/** The processes of one run of a scenario, on a yard of its own. */
export class YardProcesses {
  private readonly options: Pick<BenchOptions, "profile">;
  private readonly address: Address;
  private readonly processes: Process[] = [];

  private constructor(options: Pick<BenchOptions, "profile">, address: Address) {
    this.options = options;
    this.address = address;
  }

  /** Runs `use` on a fresh yard and leaves nothing behind. */
  static async with<T>(
    options: Pick<BenchOptions, "profile">,
    engines: Pick<Engines, "address">,
    durability: Durability,
    use: (yard: YardProcesses) => Promise<T>,
  ): Promise<T> {
    const address = engines.address();
    const yard = new YardProcesses(options, durability === "os" ? `${address}?durability=os` : address);
    try {
      const result = await use(yard);
      await yard.close();
      return result;
    } finally {
      for (const process of yard.processes) process.kill();
    }
  }

  async start(role: Role, ...args: string[]): Promise<Process> {
    const process = await Process.start(role, [JSON.stringify(this.address), ...args], []);
    this.processes.push(process);
    return process;
  }

  /**
   * Runs `measured` and answers how much CPU each process spent meanwhile. With `--profile`, what happens in between
   * is what the profiles show; `tasksOf` says how many tasks it was, so that shares become microseconds of a task.
   */
  async costOf<T>(measured: () => Promise<T>, tasksOf: (result: T) => number = () => 0): Promise<Cost<T>> {
    const { profile } = this.options;
    if (profile !== "") await this.each((process) => process.ask("beginInspection"));
    const before = await this.usages();
    const engineBefore = engineCpuMicros(this.processes);
    const result = await measured();
    const engineAfter = engineCpuMicros(this.processes);
    const after = await this.usages();
    const cpuMicros = new Map<Role | "engine", number>();
    for (const [index, { role }] of this.processes.entries()) {
      const spent = (after[index]?.cpuMicros ?? 0) - (before[index]?.cpuMicros ?? 0);
      cpuMicros.set(role, (cpuMicros.get(role) ?? 0) + spent);
    }
    if (engineAfter > engineBefore) cpuMicros.set("engine", engineAfter - engineBefore);
    if (profile !== "") await this.keepProfiles(profile, cpuMicros, tasksOf(result));
    return { result, cpuMicros };
  }

  private async keepProfiles(
    folder: string,
    cpuMicros: Cost<unknown>["cpuMicros"],
    tasks: number,
  ): Promise<void> {
    const run = Date.now();
    for (const [index, process] of this.processes.entries()) {
      const name = `${process.role.replace("/", "-")}-${index}-${run}`;
      const { loopDelay } = await process.ask<Inspection>("endInspection", folder, name);
      const load: { loopDelay: LoopDelay; tasks: number; cpuMicros: number } = {
        loopDelay,
        tasks,
        cpuMicros: cpuMicros.get(process.role) ?? 0,
      };
      await noteLoad(folder, name, load);
    }
  }

  private usages(): Promise<Usage[]> {
    return this.each((process) => process.usage());
  }

  private each<T>(ask: (process: Process) => Promise<T>): Promise<T[]> {
    return Promise.all(this.processes.map(ask));
  }

  /** Clients first, so that nobody waits for somebody who is gone. */
  private async close(): Promise<void> {
    for (const process of this.processes.toReversed()) await process.close();
  }
}
