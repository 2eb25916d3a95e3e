import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "./options.ts";
import { Process, type Role } from "./processes.ts";
import type { Usage } from "./role.ts";

export type Durability = "full" | "os";

/** The processes of one run of a scenario, on a yard of its own. */
export class YardProcesses {
  private readonly options: BenchOptions;
  private readonly url: string;
  private readonly folder: string;
  private readonly processes: Process[] = [];

  private constructor(options: BenchOptions, url: string, folder: string) {
    this.options = options;
    this.url = url;
    this.folder = folder;
  }

  /** Runs `use` on a fresh yard and leaves nothing behind. */
  static async with<T>(
    options: BenchOptions,
    durability: Durability,
    use: (yard: YardProcesses) => Promise<T>,
  ): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), "yardmaster-bench-"));
    const file = `sqlite:${join(folder, "bench.db")}${durability === "os" ? "?durability=os" : ""}`;
    const yard = new YardProcesses(options, options.url === "" ? file : options.url, folder);
    try {
      const result = await use(yard);
      await yard.close();
      return result;
    } finally {
      for (const process of yard.processes) process.kill();
      await rm(folder, { recursive: true, force: true });
    }
  }

  async start(role: Role, ...args: string[]): Promise<Process> {
    const { profile } = this.options;
    const name = `${role}-${this.processes.length}-${this.folder.slice(-6)}.cpuprofile`;
    const execArgv =
      profile === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}`];
    const process = await Process.start(role, [this.url, ...args], execArgv);
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
