import { strict as assert } from "node:assert";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TaskHandle, Yard } from "yardmaster";
import type { Call } from "yardmaster/worker";

/**
 * One feature of the scheduler, played on a yard of real processes. `begin` brings it half way; then the dispatcher that
 * owns the shard is killed, and what `begin` answers does the rest under its successor and checks what came of it.
 */
export interface Feature {
  readonly name: string;
  begin(stage: Stage): Promise<() => Promise<void>>;
}

/** What a task of the features does: it says that it runs, waits for a gate to open, and answers its label. */
export interface Turn {
  readonly folder: string;
  readonly label: string;
  /** "" for none. */
  readonly gate: string;
}

/** That an attempt began or ended, as its worker wrote it down. */
export interface Line {
  readonly at: number;
  readonly what: "began" | "ended";
  readonly task: string;
  readonly id: string;
  readonly label: string;
  readonly attempt: number;
  readonly pid: number;
}

const DIARY = "diary.ndjson";
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 20;

/** The yard and what its workers write down outside of it. */
export class Stage {
  readonly yard: Yard;
  readonly folder: string;

  constructor(yard: Yard, folder: string) {
    this.yard = yard;
    this.folder = folder;
  }

  turn(label: string, gate = ""): Turn {
    return { folder: this.folder, label, gate };
  }

  /** Lets all go on that wait for the gate. */
  open(gate: string): void {
    writeFileSync(join(this.folder, gate), "");
  }

  /** What happened to the tasks of a definition, in order. */
  lines(task: string, what: Line["what"] = "began"): Line[] {
    return diary(this.folder).filter((line) => line.task === task && line.what === what);
  }

  labels(task: string): string[] {
    return this.lines(task).map(({ label }) => label);
  }

  /** Resolves when so many attempts of a definition have begun. */
  async began(task: string, count: number): Promise<void> {
    await until(`${count} attempts of ${task}`, async () => this.lines(task).length >= count);
  }
}

/** What handlers of the features do. */
export async function play(
  task: string,
  call: Pick<Call<Turn>, "input" | "taskId" | "attempt">,
): Promise<string> {
  const { folder, label, gate } = call.input;
  const write = (what: Line["what"]): void => {
    const { taskId: id, attempt } = call;
    const line: Line = { at: Date.now(), what, task, id, label, attempt, pid: process.pid };
    appendFileSync(join(folder, DIARY), `${JSON.stringify(line)}\n`);
  };
  write("began");
  if (gate !== "") await until(`gate ${gate}`, async () => existsSync(join(folder, gate)));
  write("ended");
  return label;
}

/** The results of tasks, in their order. */
export async function results<T>(tasks: readonly TaskHandle<T>[]): Promise<T[]> {
  return await Promise.all(tasks.map((task) => task.result({ timeoutMs: PATIENCE_MS })));
}

/** The code with which a task ended that did not succeed. */
export async function failureOf(task: TaskHandle): Promise<string> {
  const end = await task.settled({ timeoutMs: PATIENCE_MS });
  assert.equal(end.ok, false, `${task.id} succeeded`);
  return end.ok ? "" : end.error.code;
}

/** Resolves when the answer is yes. */
export async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await ask())) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** The most attempts of those that ran at a time. */
export function mostAtOnce(
  stage: Stage,
  task: string,
  isCounted: (line: Line) => boolean = () => true,
): number {
  let [now, most] = [0, 0];
  for (const line of diary(stage.folder)) {
    if (line.task !== task || !isCounted(line)) continue;
    now += line.what === "began" ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

function diary(folder: string): Line[] {
  const file = join(folder, DIARY);
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  // Somebody may be writing the last one.
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  return lines.map((line): Line => JSON.parse(line));
}
