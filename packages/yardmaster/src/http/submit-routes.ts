import type { TaskHandle } from "../client/handle.ts";
import type { SubmitOptions } from "../client/submission.ts";
import type { TraceHeaders } from "../client/trace-option.ts";
import { endedWithin } from "../deadline.ts";
import { defineTask, type TaskDefinition } from "../definition.ts";
import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { Interner } from "../protocol/interner.ts";
import type { Yard } from "../yard.ts";
import type { BatchAnswer, SubmitBody, Submitted } from "./api.ts";
import { failureOf } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { batchAnswer, batchBody, submitBody, submitQuery, submitted } from "./schemas.ts";

/** How long a submission waits for its acceptance, if at all. */
const ACCEPT_MS = 10_000;

export const submitRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/v1/tasks",
    summary: "Submit a task. It is durable when this answers.",
    roles: ["producer"],
    query: submitQuery,
    body: submitBody,
    answer: submitted,
    status: 201,
    isLong: true,
    async handle({ yard, host, trace, body, query }) {
      const task = await submit(yard, body, trace);
      return query.accepted === true ? accepted(task, host) : { id: task.id, outcome: null };
    },
  }),
  route({
    method: "POST",
    path: "/api/v1/tasks/batch",
    summary:
      "Submit up to 1,000 tasks. Each stands for itself: what is refused does not keep the others out.",
    roles: ["producer"],
    body: batchBody,
    answer: batchAnswer,
    async handle({ yard, trace, body }) {
      const sent = await Promise.allSettled(body.tasks.map((task) => submit(yard, task, trace)));
      const tasks = sent.map((each): BatchAnswer["tasks"][number] =>
        each.status === "fulfilled" ? { id: each.value.id } : { error: failureOf(each.reason) },
      );
      return { tasks };
    },
  }),
];

/** One definition for all submissions with the same name, queue, version and delivery, as the frames like it. */
const definitions = new Interner<TaskDefinition<unknown, unknown>>(1_000);

/** By name alone: input is checked by the worker that knows the task. */
async function submit(yard: Yard, body: SubmitBody, trace: TraceHeaders | null): Promise<TaskHandle> {
  const { name, input, queue, version, delivery, runAt, deadline, ...options } = body;
  const key = JSON.stringify([name, queue, version, delivery]);
  const known = definitions.get(key);
  const definition = known ?? defineTask({ name, ...given({ queue, version, delivery }) });
  if (known === undefined) definitions.set(key, definition);
  const all: SubmitOptions = {
    ...options,
    ...given({ runAt: timeOf(runAt), deadline: timeOf(deadline), trace: trace ?? undefined }),
  };
  return yard.submit(definition, input, all);
}

async function accepted(task: TaskHandle, host: Host): Promise<Submitted> {
  const acceptance = task.accepted();
  // A refusal after the time is over has nobody left to hear it.
  acceptance.catch(() => undefined);
  const isAnswered = await endedWithin(host, ACCEPT_MS, acceptance.then(ignore, ignore));
  return isAnswered ? await acceptance : { id: task.id, outcome: null };
}

function ignore(): void {
  // The caller asks the promise itself.
}

/** Milliseconds of an ISO time, whose form the schema has checked. */
export function timeOf(iso: string | undefined): number | undefined {
  if (iso === undefined) return undefined;
  const at = Date.parse(iso);
  if (at >= 0) return at;
  throw new YardmasterError("INVALID_OPTIONS", `${iso} is no time after 1970.`);
}

/** Without what was not given. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // What is left is what was there, save for undefined.
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
