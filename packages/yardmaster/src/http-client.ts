/** Yardmaster's HTTP API for browsers and other services: `fetch` and nothing else. */
import type { QueueStatus, WorkerStatus, YardStats } from "./client/directory.ts";
import type { TaskPage } from "./client/filters.ts";
import type { GraphPage, GraphStatus, GraphSummary } from "./client/graphs.ts";
import type { QueueChanges } from "./client/queue-changes.ts";
import type { ScheduleStatus } from "./client/schedules.ts";
import type { TaskChapter, TaskStatus } from "./client/task-status.ts";
import type { Health } from "./health.ts";
import type {
  BatchAnswer,
  BulkAnswer,
  BulkCancelBody,
  BulkRetryBody,
  CancelAnswer,
  CancelBody,
  HistoryQuery,
  ListQuery,
  LiveNews,
  LiveTopic,
  Problem,
  ResultAnswer,
  RetryAnswer,
  ScheduleTicks,
  SessionAnswer,
  StoryAnswer,
  SubmitBody,
  SubmitQuery,
  Submitted,
  TaskNews,
  ValuesAnswer,
} from "./http/api.ts";
import type { Explanation } from "./protocol/explanation.ts";
import type { ShardStatus } from "./shard-status.ts";

export type {
  QueueStatus,
  WorkerStatus,
  YardActivity,
  YardStats,
} from "./client/directory.ts";
export type { TaskPage } from "./client/filters.ts";
export type { GraphPage, GraphStatus, GraphSummary, GraphTask } from "./client/graphs.ts";
export type { QueueChanges } from "./client/queue-changes.ts";
export type { ScheduleStatus } from "./client/schedules.ts";
export type { TaskChapter, TaskStatus } from "./client/task-status.ts";
export type { Health } from "./health.ts";
export type * from "./http/api.ts";
export type { EndedAttempt, RunningAttempt, WaitingHead } from "./protocol/activity.ts";
export type { Explanation } from "./protocol/explanation.ts";
export { BOUNDS_MS, type HistogramView, type QueueStats } from "./protocol/stats.ts";
export {
  ORDERS,
  type Order,
  PLACEMENTS,
  type PlacementName,
  STATES,
  type State,
  type TaskId,
  TERMINAL_STATES,
  type TerminalState,
} from "./protocol/task.ts";
export type { ShardStatus } from "./shard-status.ts";

/** Where the server is, and who calls. */
export interface HttpClientOptions {
  /** Such as `http://127.0.0.1:4400`; in a page of the same server, its `location.origin`. */
  readonly url: string;
  readonly token: string;
  /** In place of the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

/** What a call may be ended with. */
export interface HttpCallOptions {
  readonly signal?: AbortSignal;
}

/** What the server answered in place of what was asked for. Branch on `problem.code`. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
  }
}

/** One request of the long poll waits so long. */
const WAIT_MS = 50_000;

/**
 * Calls a Yardmaster server. Every call throws `ProblemError` for what the server refuses, and what `fetch` throws when
 * it cannot be reached.
 *
 * @example
 * const yard = new HttpClient({ url: "http://127.0.0.1:4400", token });
 * const { id } = await yard.submit({ name: "image.resize", input: { url, width: 320 } });
 * const end = await yard.result(id);
 * if (end.ok) console.log(end.result);
 */
export class HttpClient {
  private readonly url: string;
  private readonly token: string;
  private readonly fetch: typeof globalThis.fetch;

  constructor({ url, token, fetch = globalThis.fetch.bind(globalThis) }: HttpClientOptions) {
    this.url = url.replace(/\/+$/, "");
    this.token = token;
    this.fetch = fetch;
  }

  /** The task is durable when this resolves. */
  submit(task: SubmitBody, query: SubmitQuery = {}, options?: HttpCallOptions): Promise<Submitted> {
    return this.post("/tasks", task, options, query);
  }

  /** Submits 1 to 1,000 tasks; each is answered with an id or an error of its own. */
  submitBatch(tasks: readonly SubmitBody[], options?: HttpCallOptions): Promise<BatchAnswer> {
    return this.post("/tasks/batch", { tasks }, options);
  }

  /** How a task stands. A `ProblemError` of TASK_NOT_FOUND where there is none. */
  status(id: string, options?: HttpCallOptions): Promise<TaskStatus> {
    return this.get(["tasks", id], {}, options);
  }

  /** Why the task is not running, in a sentence and in data. */
  explain(id: string, options?: HttpCallOptions): Promise<Explanation> {
    return this.get(["tasks", id, "explain"], {}, options);
  }

  /** What has happened to the task so far, in order. */
  async story(id: string, options?: HttpCallOptions): Promise<readonly TaskChapter[]> {
    const { chapters }: StoryAnswer = await this.get(["tasks", id, "story"], {}, options);
    return chapters;
  }

  /** How the task stands now, after at most `waitMs`. */
  poll(id: string, waitMs: number, options?: HttpCallOptions): Promise<ResultAnswer> {
    return this.get(["tasks", id, "result"], { waitMs }, options);
  }

  /** Waits for the task's end, however long it takes: end it with a `signal`. A failed task is a value, too. */
  async result(id: string, options?: HttpCallOptions): Promise<Extract<ResultAnswer, { ended: true }>> {
    for (;;) {
      options?.signal?.throwIfAborted();
      const answer = await this.poll(id, WAIT_MS, options);
      if (answer.ended) return answer;
    }
  }

  /** A task's input and result as people may see them: secrets taken out, and cut where they are long. */
  values(id: string, options?: HttpCallOptions): Promise<ValuesAnswer> {
    return this.get(["tasks", id, "values"], {}, options);
  }

  /** What happens to the task from now on, to its end. Reconnect by calling it again: the state comes first. */
  async *events(id: string, options?: HttpCallOptions): AsyncGenerator<TaskNews, void, undefined> {
    yield* this.stream<TaskNews>(["tasks", id, "events"], options);
  }

  /** How topics stand, then what changes, until the server goes or the signal comes. Reconnect by calling it again. */
  live(topics: readonly LiveTopic[], options?: HttpCallOptions): AsyncGenerator<LiveNews, void, undefined> {
    return this.stream(["live"], options, { topic: topics });
  }

  /** What the token may do. */
  session(options?: HttpCallOptions): Promise<SessionAnswer> {
    return this.get("/session", {}, options);
  }

  /** The shards of the yard and who serves them. */
  async shards(options?: HttpCallOptions): Promise<readonly ShardStatus[]> {
    return (await this.get<{ shards: readonly ShardStatus[] }>("/shards", {}, options)).shards;
  }

  /** When a schedule comes next, and the latest tasks that it made. */
  scheduleTicks(name: string, options?: HttpCallOptions): Promise<ScheduleTicks> {
    return this.get(["schedules", name, "ticks"], {}, options);
  }

  private async *stream<News>(
    path: Path,
    options: HttpCallOptions | undefined,
    query: object = {},
  ): AsyncGenerator<News, void, undefined> {
    const response = await this.send("GET", pathOf(path) + queryOf(query), undefined, options);
    if (response.body === null) return;
    let text = "";
    for await (const chunk of chunksOf(response.body)) {
      text += chunk;
      const parts = text.split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(part) ?? [];
        if (name === undefined || data === undefined) continue;
        if (name === "problem") throw new ProblemError(JSON.parse(data));
        yield JSON.parse(data);
      }
    }
  }

  /** Resolves when the task can no longer start, with how it ended. */
  cancel(id: string, reason = "", options?: HttpCallOptions): Promise<CancelAnswer> {
    return this.post(["tasks", id, "cancel"], { reason }, options);
  }

  /** Submits an ended task again, as a new one. */
  retry(id: string, options?: HttpCallOptions): Promise<RetryAnswer> {
    return this.post(["tasks", id, "retry"], {}, options);
  }

  /**
   * Unfinished tasks first, oldest first; then those that ended, newest first. At most 100 without a
   * `limit`.
   */
  async list(query: ListQuery = {}, options?: HttpCallOptions): Promise<readonly TaskStatus[]> {
    const { tasks } = await this.get<{ tasks: readonly TaskStatus[] }>("/tasks", query, options);
    return tasks;
  }

  /** Records of ended and parked tasks, newest first, a page at a time. */
  history(query: HistoryQuery = {}, options?: HttpCallOptions): Promise<TaskPage> {
    return this.get("/history", query, options);
  }

  /** Cancels unfinished tasks that a filter finds, a step at a time: call again while there is `more`. */
  bulkCancel(body: BulkCancelBody, options?: HttpCallOptions): Promise<BulkAnswer> {
    return this.post("/bulk/cancel", body, options);
  }

  /** Submits ended tasks that a filter finds again, a step at a time: call again while there is `more`. */
  bulkRetry(body: BulkRetryBody, options?: HttpCallOptions): Promise<BulkAnswer> {
    return this.post("/bulk/retry", body, options);
  }

  /** All queues with their settings and counts, by name. */
  async queues(options?: HttpCallOptions): Promise<readonly QueueStatus[]> {
    return (await this.get<{ queues: readonly QueueStatus[] }>("/queues", {}, options)).queues;
  }

  /** Starts no more tasks of a queue; those that run go on. */
  async pause(queue: string, options?: HttpCallOptions): Promise<void> {
    await this.post(["queues", queue, "pause"], {}, options);
  }

  /** Starts tasks of a paused queue again. */
  async resume(queue: string, options?: HttpCallOptions): Promise<void> {
    await this.post(["queues", queue, "resume"], {}, options);
  }

  /** Changes some of a queue's settings; a limit is taken away by `null`. */
  configure(queue: string, changes: QueueChanges, options?: HttpCallOptions): Promise<QueueStatus> {
    return this.post(["queues", queue, "configure"], changes, options);
  }

  /** What the queues have done and how long it took, and the slots. */
  stats(options?: HttpCallOptions): Promise<YardStats> {
    return this.get("/stats", {}, options);
  }

  /** The newest open graphs and the last ones that ended; `limit` is 1 to 1,000, default 100. */
  async graphs(
    query: { readonly limit?: number } = {},
    options?: HttpCallOptions,
  ): Promise<readonly GraphSummary[]> {
    return (await this.get<{ graphs: readonly GraphSummary[] }>("/graphs", query, options)).graphs;
  }

  /** A graph by its id or that of one of its tasks, with tasks from a place on. */
  graph(id: string, page: GraphPage = {}, options?: HttpCallOptions): Promise<GraphStatus> {
    return this.get(["graphs", id], page, options);
  }

  /** Cancels what has not ended of a graph, and answers with how it stands. */
  cancelGraph(id: string, body: CancelBody = {}, options?: HttpCallOptions): Promise<GraphStatus> {
    return this.post(["graphs", id, "cancel"], body, options);
  }

  /** All schedules, by name. */
  async schedules(options?: HttpCallOptions): Promise<readonly ScheduleStatus[]> {
    return (await this.get<{ schedules: readonly ScheduleStatus[] }>("/schedules", {}, options)).schedules;
  }

  /** Makes no more ticks of a schedule. */
  pauseSchedule(name: string, options?: HttpCallOptions): Promise<ScheduleStatus> {
    return this.post(["schedules", name, "pause"], {}, options);
  }

  /** Makes ticks of a paused schedule again. */
  resumeSchedule(name: string, options?: HttpCallOptions): Promise<ScheduleStatus> {
    return this.post(["schedules", name, "resume"], {}, options);
  }

  /** Forgets a schedule; tasks that it has made go on. */
  removeSchedule(name: string, options?: HttpCallOptions): Promise<ScheduleStatus> {
    return this.post(["schedules", name, "remove"], {}, options);
  }

  /** Submits a schedule's task now; answers with its id. */
  async runSchedule(name: string, options?: HttpCallOptions): Promise<string> {
    return (await this.post<{ id: string }>(["schedules", name, "run"], {}, options)).id;
  }

  /** The workers and what they are doing. */
  async workers(options?: HttpCallOptions): Promise<readonly WorkerStatus[]> {
    return (await this.get<{ workers: readonly WorkerStatus[] }>("/workers", {}, options)).workers;
  }

  /** The tasks that a worker has, assigned or running. */
  async active(worker: string, options?: HttpCallOptions): Promise<readonly TaskStatus[]> {
    const path = ["workers", worker, "active"];
    return (await this.get<{ tasks: readonly TaskStatus[] }>(path, {}, options)).tasks;
  }

  /** With `withinMs`, what still runs by then is aborted. */
  async drain(worker: string, options: HttpCallOptions & { readonly withinMs?: number } = {}): Promise<void> {
    const { withinMs, ...call } = options ?? {};
    const body = withinMs === undefined ? {} : { withinMs };
    await this.post(["workers", worker, "drain"], body, call);
  }

  /** How many attempts a worker runs at a time from now on, 1 to 10,000. */
  async setSlots(worker: string, slots: number, options?: HttpCallOptions): Promise<void> {
    await this.post(["workers", worker, "slots"], { slots }, options);
  }

  /** How the engine and the dispatchers are at the moment. */
  health(options?: HttpCallOptions): Promise<Health> {
    return this.get("/health", {}, options);
  }

  private async get<Answer>(path: Path, query: object, options?: HttpCallOptions): Promise<Answer> {
    const response = await this.send("GET", pathOf(path) + queryOf(query), undefined, options);
    // Of the version that this client was made with: the server's own schemas have checked it.
    return (await response.json()) as Answer;
  }

  private async post<Answer>(
    path: Path,
    body: object,
    options?: HttpCallOptions,
    query: object = {},
  ): Promise<Answer> {
    const response = await this.send("POST", pathOf(path) + queryOf(query), bodyOf(body), options);
    // As in `get`.
    return (await response.json()) as Answer;
  }

  private async send(
    method: string,
    path: string,
    body: string | undefined,
    options: HttpCallOptions | undefined,
  ): Promise<Response> {
    const response = await this.fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      credentials: "omit",
      ...(body === undefined ? {} : { body }),
      ...(options?.signal === undefined ? {} : { signal: options.signal }),
    });
    if (response.ok) return response;
    throw new ProblemError(await problemIn(response));
  }
}

/** What answered may not be Yardmaster: a proxy in front has pages of its own. */
async function problemIn(response: Response): Promise<Problem> {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/problem+json")) return (await response.json()) as Problem;
  const { status, statusText } = response;
  await response.body?.cancel();
  return {
    type: "about:blank",
    title: statusText,
    status,
    detail: `Something between here and the server answered with ${status}.`,
    code: "NO_ANSWER",
    retryable: status >= 500,
    requestId: "",
  };
}

/** Whole, or in parts of which each is one level whatever stands in it. */
type Path = string | readonly string[];

const OTHER_LEVELS: ReadonlySet<string> = new Set(["", ".", ".."]);

/** Throws a ProblemError for a name that no address can hold: "." and ".." are other levels, and half a pair is no text. */
function pathOf(path: Path): string {
  if (typeof path === "string") return path;
  for (const part of path) {
    const isOne = typeof part === "string" && part.isWellFormed() && !OTHER_LEVELS.has(part);
    if (!isOne) throw unsendable('An id or a name is well-formed text, and not "", "." or "..".');
  }
  return `/${path.map(encodeURIComponent).join("/")}`;
}

/** Throws a ProblemError for what JSON cannot hold. */
function bodyOf(body: object): string {
  try {
    return JSON.stringify(body);
  } catch {
    throw unsendable("What is sent must be JSON: no bigint, and nothing that contains itself.");
  }
}

/** As the server would have answered. */
function unsendable(detail: string): ProblemError {
  return new ProblemError({
    type: "about:blank",
    title: "Bad Request",
    status: 400,
    detail,
    code: "INVALID_INPUT",
    retryable: false,
    requestId: "",
  });
}

/** Throws a ProblemError for what is no text and no number. */
function queryOf(query: object): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each === undefined) continue;
      if (typeof each === "symbol" || typeof each === "object" || typeof each === "function")
        throw unsendable("A field of a query must be text or a number.");
      parameters.append(key, String(each));
    }
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}

/** Not every browser can iterate over a stream. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
