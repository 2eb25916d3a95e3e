import type { Command } from "commander";
import { defineTask, type TaskDefinition } from "../definition.ts";
import { DELIVERIES } from "../protocol/spec.ts";
import type { TaskSpec } from "../protocol/task.ts";
import { MAX_MS, oneOf, whole } from "./options.ts";

/** What a command line can say of a definition: it knows nothing of the one that workers have. */
export interface DefinitionOptions {
  readonly queue?: string | undefined;
  readonly attempts?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly delivery?: TaskSpec["delivery"] | undefined;
}

export function addDefinitionOptions(command: Command): Command {
  return command
    .option("--queue <queue>", "the queue (default: default)")
    .option("--attempts <number>", "how often a task is tried in all (default: 3)", whole(1, 1_000))
    .option("--timeout-ms <ms>", "how long an attempt may run, 0 for ever (default: 60000)", whole(0, MAX_MS))
    .option(
      "--delivery <promise>",
      "at-least-once (default), or at-most-once: a task whose worker is lost fails",
      oneOf(DELIVERIES),
    );
}

export function definitionOf(
  name: string,
  { queue, attempts, timeoutMs, delivery }: DefinitionOptions,
): TaskDefinition<unknown, unknown> {
  return defineTask<unknown, unknown>({
    name,
    ...(queue === undefined ? {} : { queue }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(delivery === undefined ? {} : { delivery }),
  });
}
