import type { TaskHandle, Yard } from "yardmaster";
import type { Fleet } from "./fleet.ts";
import { killBusyWorker, killOwner } from "./kills.ts";
import type { Progress } from "./progress.ts";
import { adoptedAttempts, countWrong, type Report, recordsOf, repeatedAttempts } from "./report.ts";
import { type Digest, digest } from "./tasks.ts";

const KILL_WORKER_AT = 0.3;
const KILL_DISPATCHER_AT = 0.6;

/** Digests files through a yard while parts of it are killed, once. */
export class DigestRun {
  private readonly yard: Yard;
  private readonly fleet: Fleet;
  private readonly progress: Progress;
  private readonly paths: readonly string[];
  private readonly ids = new Set<string>();
  private readonly digests = new Map<string, string>();
  private failed = 0;
  private workersKilled = 0;
  private dispatchersKilled = 0;
  private dispatcherKilledAt = 0;
  private readonly kills: { readonly at: number; readonly kill: () => Promise<void> }[];
  private killing: Promise<void> = Promise.resolve();

  constructor(yard: Yard, fleet: Fleet, progress: Progress, paths: readonly string[]) {
    this.yard = yard;
    this.fleet = fleet;
    this.progress = progress;
    this.paths = paths;
    this.kills = [
      { at: KILL_WORKER_AT * paths.length, kill: () => this.killWorker() },
      { at: KILL_DISPATCHER_AT * paths.length, kill: () => this.killDispatcher() },
    ];
  }

  async run(): Promise<Report> {
    const startedAt = performance.now();
    const ends: Promise<void>[] = [];
    const inputs = this.paths.map((path) => ({ path }));
    for await (const task of this.yard.submitMany(digest, inputs)) {
      this.ids.add(task.id);
      ends.push(this.follow(task, inputs[ends.length]?.path ?? ""));
    }
    await Promise.all(ends);
    const seconds = (performance.now() - startedAt) / 1_000;
    await this.killing;
    return this.report(seconds);
  }

  private async follow(task: TaskHandle<Digest>, path: string): Promise<void> {
    const end = await task.settled();
    if (end.ok) this.digests.set(path, end.value.sha256);
    else this.failed += 1;
    this.progress.completed(end.ok ? end.value.pid : 0);
    const done = this.digests.size + this.failed;
    const next = this.kills[0];
    if (next === undefined || done < next.at) return;
    this.kills.shift();
    // One after the other: the second kill must not meet the search for the first victim.
    this.killing = this.killing.then(next.kill);
  }

  private async killWorker(): Promise<void> {
    const victim = await killBusyWorker(this.yard, this.fleet);
    if (victim === null) return;
    this.workersKilled = 1;
    this.progress.say(`killed ${victim.killed.title}, which had ${victim.held} unfinished tasks`);
  }

  private async killDispatcher(): Promise<void> {
    const { title } = await killOwner(this.fleet);
    this.dispatcherKilledAt = Date.now();
    this.dispatchersKilled = 1;
    this.progress.say(`killed ${title}, which owned the shard`);
  }

  private async report(seconds: number): Promise<Report> {
    const records = await recordsOf(this.yard, this.ids);
    const succeeded = records.filter(({ state }) => state === "succeeded").length;
    const failed = records.length - succeeded;
    return {
      submitted: this.ids.size,
      succeeded,
      failed,
      lost: this.paths.length - records.length,
      wrong: await countWrong(this.digests),
      repeatedAttempts: repeatedAttempts(records),
      adoptedAttempts: adoptedAttempts(records, this.dispatcherKilledAt),
      workersKilled: this.workersKilled,
      dispatchersKilled: this.dispatchersKilled,
      tasksPerSecond: Math.round(this.paths.length / seconds),
    };
  }
}
