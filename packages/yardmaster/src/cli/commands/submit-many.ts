import { createInterface } from "node:readline";
import type { TaskHandle } from "../../client/handle.ts";
import type { SubmitOptions } from "../../client/submission.ts";
import { placeOf } from "../../definition/json.ts";
import type { TaskDefinition } from "../../definition.ts";
import type { Yard } from "../../yard.ts";
import { EXIT } from "../exit-code.ts";
import { errorText, type Output } from "../output.ts";
import { plainJson } from "../plain-text.ts";
import { ProgressBar } from "../progress-bar.ts";
import { usage } from "../target.ts";

/** How many ends are waited for at a time; more would only take memory. */
const AT_ONCE = 2_000;

interface ManyOptions {
  readonly submit: Omit<SubmitOptions, "idempotencyKey" | "idempotencyWindowMs">;
  readonly wait: boolean;
  readonly timeoutMs?: number;
}

/**
 * Submits each line of `lines`, which is an input in JSON, as a task of its own; prints their ids, or, where it waits,
 * each end as it comes. Answers with the exit code.
 */
export async function submitMany(
  yard: Yard,
  definition: TaskDefinition<unknown, unknown>,
  lines: NodeJS.ReadableStream,
  output: Output,
  { submit, wait, timeoutMs }: ManyOptions,
): Promise<number> {
  const bar = new ProgressBar(definition.name);
  const waits = new Set<Promise<void>>();
  let submitted = 0;
  let ended = 0;
  let failed = 0;
  let hasAll = false;
  const tell = (): void => bar.tell(wait ? ended : submitted, wait && hasAll ? submitted : null, failed);
  const follow = async (task: TaskHandle<unknown>): Promise<void> => {
    const end = await task.settled(timeoutMs === undefined ? {} : { timeoutMs });
    ended += 1;
    if (!end.ok) failed += 1;
    bar.end();
    if (end.ok) output.say(`${task.id} ${plainJson(end.value ?? null)}`);
    else output.note(`${task.id} ${errorText(end.error)}`);
    output.emit(
      end.ok ? { id: task.id, ok: true, result: end.value ?? null } : failureOf(task.id, end.error),
    );
    tell();
  };
  try {
    for await (const task of yard.submitMany(definition, inputsOf(lines), submit)) {
      submitted += 1;
      tell();
      if (!wait) {
        output.say(task.id);
        output.emit({ id: task.id });
        continue;
      }
      const waiting: Promise<void> = follow(task).finally(() => waits.delete(waiting));
      // Its failure is thrown below; until then nobody looks.
      waiting.catch(() => undefined);
      waits.add(waiting);
      if (waits.size >= AT_ONCE) await Promise.race(waits);
    }
    hasAll = true;
    await Promise.all(waits);
  } finally {
    bar.end();
  }
  output.note(wait ? `${ended} ended, ${failed} failed` : `submitted ${submitted}`);
  return failed > 0 ? EXIT.taskFailed : EXIT.ok;
}

function failureOf(id: string, error: Error): object {
  const code = "code" in error ? error.code : "";
  return { id, ok: false, error: { code, message: error.message } };
}

async function* inputsOf(stream: NodeJS.ReadableStream): AsyncGenerator<unknown, void, undefined> {
  let number = 0;
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (line.trim() !== "") yield parsed(line, number);
  }
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw usage(`line ${number} is not JSON${placeOf(error)}`);
  }
}
