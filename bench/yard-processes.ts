import type { Address, Engines } from "../servers/engines.ts";
import type { BenchOptions } from "./options.ts";
import { Process, type Role } from "./processes.ts";
import type { Usage } from "./role.ts";

export type Durability = "full" | "os";

/** The processes of one run of a scenario, on a yard of its own. */
export class YardProcesses {
  private readonly options: BenchOptions;
  private readonly address: Address;
  private readonly processes: Process[] = [];

  private constructor(options: BenchOptions, address: Address) {
    this.options = options;
    this.address = address;
  }

  /** Runs `use` on a fresh yard and leaves nothing behind. */
  static async with<T>(
    options: BenchOptions,
    engines: Engines,
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
    const { profile } = this.options;
    const name = `${role}-${this.processes.length}-${Date.now()}.cpuprofile`;
    const execArgv =
      profile === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}`];
    const process = await Process.start(role, [JSON.stringify(this.address), ...args], execArgv);
    this.processes.push(process);
    return process;
  }

  /** Runs `measured` and answers how much CPU each process spent meanwhile. */
  async costOf<T>(measured: () => Promise<T>): Promise<{ result: T; cpuMicros: ReadonlyMap<Role, number> }> {
    const before = await this.usages();
    const result = await measured();
    const after = await this.usages();
    const cpuMicros = new Map<Role, number>();
    for (const [index, { role }] of this.processes.entries()) {
      const spent = (after[index]?.cpuMicros ?? 0) - (before[index]?.cpuMicros ?? 0);
      cpuMicros.set(role, (cpuMicros.get(role) ?? 0) + spent);
    }
    return { result, cpuMicros };
  }

  private usages(): Promise<Usage[]> {
    return Promise.all(this.processes.map((process) => process.usage()));
  }

  /** Clients first, so that nobody waits for somebody who is gone. */
  private async close(): Promise<void> {
    for (const process of this.processes.toReversed()) await process.close();
  }
}
