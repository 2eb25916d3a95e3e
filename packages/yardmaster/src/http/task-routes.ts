import type { Outcome } from "../client/handle.ts";
import type { TaskStatus } from "../client/task-status.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { isTerminal, type TaskId } from "../protocol/task.ts";
import type { Yard } from "../yard.ts";
import type { ResultAnswer } from "./api.ts";
import { shownValue } from "./redaction.ts";
import { type Call, type Route, route, streamRoute } from "./route.ts";
import {
  cancelAnswer,
  cancelBody,
  explanation,
  historyQuery,
  idParams,
  listQuery,
  nothing,
  resultAnswer,
  resultQuery,
  retryAnswer,
  story,
  taskList,
  taskPage,
  taskStatus,
  valuesAnswer,
} from "./schemas.ts";
import { given, timeOf } from "./submit-routes.ts";

/** What an ended task's result may take to be read. */
const READ_MS = 10_000;

export const taskRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/v1/tasks",
    summary:
      "Unfinished tasks, oldest first, then ended ones, newest first; with `name` and `key`, the task of that idempotency key.",
    roles: ["viewer", "operator"],
    query: listQuery,
    answer: taskList,
    handle: async ({ yard, query }) => ({ tasks: await yard.list(query) }),
  }),
  route({
    method: "GET",
    path: "/api/v1/history",
    summary: "Ended and parked tasks from the store, newest first, page by page. A page may be short.",
    roles: ["viewer", "operator"],
    query: historyQuery,
    answer: taskPage,
    async handle({ yard, query }) {
      const { state, from, to, ...rest } = query;
      const states = typeof state === "string" ? [state] : state;
      return yard.find({ ...rest, ...given({ states, from: timeOf(from), to: timeOf(to) }) });
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/tasks/:id",
    summary: "How a task stands.",
    roles: ["viewer", "producer", "operator"],
    params: idParams,
    answer: taskStatus,
    handle: ({ yard, params }) => statusOf(yard, params.id),
  }),
  route({
    method: "GET",
    path: "/api/v1/tasks/:id/explain",
    summary: "Why a task is not running, in a sentence and in data.",
    roles: ["viewer", "producer", "operator"],
    params: idParams,
    answer: explanation,
    handle: async ({ yard, params: { id } }) => known(id, await yard.explain(id)),
  }),
  route({
    method: "GET",
    path: "/api/v1/tasks/:id/story",
    summary: "What has happened to a task so far, in order.",
    roles: ["viewer", "producer", "operator"],
    params: idParams,
    answer: story,
    handle: async ({ yard, params: { id } }) => ({ chapters: known(id, await yard.story(id)) }),
  }),
  route({
    method: "GET",
    path: "/api/v1/tasks/:id/result",
    summary: "A task's end with its result, waiting for it up to `waitMs`.",
    roles: ["producer"],
    params: idParams,
    query: resultQuery,
    answer: resultAnswer,
    isLong: true,
    handle: resultOf,
  }),
  route({
    method: "GET",
    path: "/api/v1/tasks/:id/values",
    summary:
      "A task's input and result for people: secrets taken out by their keys, and cut where they are long.",
    roles: ["operator"],
    params: idParams,
    answer: valuesAnswer,
    async handle({ yard, params: { id }, secretKeys }) {
      const task = await statusOf(yard, id);
      const input = await shownOr(() => yard.input(task.id), secretKeys);
      if (task.state !== "succeeded") return { input, result: null };
      const result = () => yard.get(task.id).result({ timeoutMs: READ_MS });
      return { input, result: await shownOr(result, secretKeys) };
    },
  }),
  streamRoute({
    method: "GET",
    path: "/api/v1/tasks/:id/events",
    summary: "What happens to a task from now on, until it has settled.",
    roles: ["viewer", "producer", "operator"],
    params: idParams,
    handle: ({ yard, params, signal }) => yard.get(params.id).events({ signal }),
  }),
  route({
    method: "POST",
    path: "/api/v1/tasks/:id/cancel",
    summary: "Cancel a task; answers when it can no longer start.",
    roles: ["producer", "operator"],
    params: idParams,
    body: cancelBody,
    answer: cancelAnswer,
    isLong: true,
    async handle({ yard, params: { id }, body }) {
      // The yard would remember the cancel of a task that may yet come; a person has mistyped its id.
      await statusOf(yard, id);
      return { id, state: await yard.cancel(id, body.reason) };
    },
  }),
  route({
    method: "POST",
    path: "/api/v1/tasks/:id/retry",
    summary: "Submit an ended task's input again, as a new task.",
    roles: ["operator"],
    params: idParams,
    body: nothing,
    answer: retryAnswer,
    status: 201,
    handle: async ({ yard, params: { id } }) => ({ id: (await yard.retry(id)).id, retryOf: id }),
  }),
];

async function statusOf(yard: Yard, id: TaskId): Promise<TaskStatus> {
  return known(id, await yard.status(id));
}

function known<T>(id: TaskId, what: T | null): T {
  if (what !== null) return what;
  throw new YardmasterError("TASK_NOT_FOUND", `No task ${id} is known (any more).`, { details: { id } });
}

async function resultOf({
  yard,
  params: { id },
  query: { waitMs = 0 },
  signal,
}: Call<{ id: string }, { waitMs?: number }, unknown>): Promise<ResultAnswer> {
  const notYet = { id, ended: false } as const;
  if (waitMs === 0 && !isTerminal((await statusOf(yard, id)).state)) return notYet;
  try {
    const end = await yard.get(id).settled({ timeoutMs: waitMs === 0 ? READ_MS : waitMs, signal });
    return answerOf(id, end);
  } catch (error) {
    if (signal.aborted || isCode(error, "WAIT_TIMED_OUT")) return notYet;
    throw error;
  }
}

function answerOf(id: TaskId, end: Outcome<unknown>): ResultAnswer {
  if (end.ok) return { id, ended: true, ok: true, result: end.value ?? null };
  const { code, message, cause } = end.error;
  return { id, ended: true, ok: false, error: { code, message, cause: causeOf(cause) } };
}

function causeOf(cause: unknown): { code: string; message: string } | null {
  if (!(cause instanceof Error)) return null;
  const code = "code" in cause ? String(cause.code) : "";
  return { code, message: cause.message };
}

/** Null for what is not there or not JSON: a codec of the definition's own may have written it. */
async function shownOr(
  read: () => Promise<unknown>,
  secretKeys: readonly string[],
): Promise<ReturnType<typeof shownValue> | null> {
  try {
    const value = await read();
    return value === undefined ? null : shownValue(value, secretKeys);
  } catch (error) {
    const isAbsent = ["TASK_NOT_FOUND", "INVALID_INPUT", "RESULT_INVALID"] as const;
    if (isAbsent.some((code) => isCode(error, code))) return null;
    throw error;
  }
}
