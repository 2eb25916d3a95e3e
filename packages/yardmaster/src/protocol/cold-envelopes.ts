import type {
  Command,
  Envelope,
  HeldAttempt,
  LogLine,
  Note,
  Query,
  StoredSearch,
  TaskEvent,
} from "./envelope.ts";
import type { Shape } from "./shape.ts";
import {
  ADMISSIONS,
  MAX_GRAPH_TASKS,
  MAX_KEY_BYTES,
  MAX_LABELS,
  MAX_PRIORITY,
  MAX_QUEUE_WEIGHT,
  MAX_RESOURCES,
  ORDERS,
  PLACEMENTS,
  type QueueRecord,
  type QueueSettings,
  type Rate,
  STATES,
  type TaskError,
  TERMINAL_STATES,
} from "./task.ts";
import { MAX_ASKED_MS, MAX_TEXT_BYTES } from "./writer.ts";

type HotType = "submit" | "assign" | "outcome" | "answered" | "settled";
export type ColdType = Exclude<Envelope["type"], HotType>;
export type ColdEnvelope = Exclude<Envelope, { readonly type: HotType }>;

type ColdReaders = { readonly [T in ColdType]: (body: Shape) => Extract<Envelope, { readonly type: T }> };

const MAX_TASKS = 10_000;
const MAX_QUEUES = 10_000;
const MAX_HELD = 1_000_000;
/** More than the longest schedule takes in base 64. */
const MAX_SCHEDULE_TEXT = 256 * 1024;
const MAX_ANSWERED_TASKS = 10_000;
const MAX_LOG_LINES = 100_000;
/** As deep as an answer may nest, so that whoever walks it by recursion is safe. */
const MAX_DEPTH = 64;

const HELD_STATES = ["waiting", "running", "finished"] as const;
const LEVELS = ["debug", "info", "warn", "error"] as const;
const QUERIES = [
  "status",
  "explain",
  "story",
  "list",
  "queues",
  "workers",
  "schedules",
  "schedule",
  "stats",
  "activity",
  "graph",
  "graphs",
  "active",
] as const;
const COMMANDS = [
  "pause",
  "resume",
  "apply",
  "drain",
  "schedule",
  "pauseSchedule",
  "resumeSchedule",
  "unschedule",
  "slots",
] as const;
const EVENTS = ["started", "progress", "log", "retried"] as const;

/** What each envelope must look like whose body travels as JSON. */
export const COLD: ColdReaders = {
  register: (body) => ({
    type: "register",
    worker: text(body, "worker"),
    mailbox: text(body, "mailbox"),
    credit: body.uint("credit"),
    tasks: body.list("tasks", MAX_TASKS, (task) => ({
      name: task.name("name"),
      version: task.uint("version"),
    })),
    queues: body.list("queues", MAX_QUEUES, readQueue),
    labels: body.texts("labels", MAX_LABELS, MAX_KEY_BYTES),
    resources: body.amounts("resources", MAX_RESOURCES, MAX_KEY_BYTES),
  }),
  heartbeat: (body) => ({
    type: "heartbeat",
    worker: text(body, "worker"),
    number: body.uint("number"),
    credit: body.uint("credit"),
    stalledMs: body.millis("stalledMs"),
  }),
  held: (body) => ({
    type: "held",
    worker: text(body, "worker"),
    epoch: body.uint("epoch"),
    seen: body.uint("seen"),
    attempts: body.list("attempts", MAX_HELD, readHeldAttempt),
  }),
  goodbye: (body) => ({ type: "goodbye", worker: text(body, "worker") }),
  cancel: (body) => ({
    type: "cancel",
    id: body.id("id"),
    reason: body.text("reason", MAX_TEXT_BYTES),
    request: body.uint("request"),
  }),
  watch: (body) => ({ type: "watch", id: body.id("id") }),
  note: (body) => ({ type: "note", note: readNote(body.shape("note")) }),
  query: (body) => ({ type: "query", request: body.uint("request"), query: readQuery(body.shape("query")) }),
  command: (body) => ({
    type: "command",
    request: body.uint("request"),
    command: readCommand(body.shape("command")),
  }),
  marker: (body) => ({
    type: "marker",
    worker: text(body, "worker"),
    boot: text(body, "boot"),
    heardAt: body.uint("heardAt"),
  }),
  echo: (body) => ({ type: "echo", nonce: body.uint("nonce") }),
  handover: (body) => ({
    type: "handover",
    owner: text(body, "owner"),
    epoch: body.uint("epoch"),
    shards: body.uint("shards"),
  }),
  abort: (body) => ({
    type: "abort",
    id: body.id("id"),
    epoch: body.uint("epoch"),
    attempt: body.uint("attempt"),
    reason: body.oneOf("reason", ["cancelled", "timedOut"]),
  }),
  heartbeatAnswer: (body) => ({
    type: "heartbeatAnswer",
    number: body.uint("number"),
    sent: body.uint("sent"),
    known: body.flag("known"),
    credit: body.uint("credit"),
    ready: body.uint("ready"),
  }),
  takeover: () => ({ type: "takeover" }),
  drain: (body) => ({ type: "drain", ...readWithin(body) }),
  slots: (body) => ({ type: "slots", slots: body.uint("slots") }),
  accepted: (body) => ({
    type: "accepted",
    id: body.id("id"),
    outcome: body.oneOf("outcome", ["duplicate", "refused"]),
    of: body.value("of") === "" ? "" : body.id("of"),
    code: text(body, "code"),
    message: body.text("message", MAX_TEXT_BYTES),
  }),
  event: (body) => ({ type: "event", id: body.id("id"), event: readEvent(body.shape("event")) }),
  reply: (body) => ({
    type: "reply",
    request: body.uint("request"),
    ok: body.flag("ok"),
    value: body.tree("value", MAX_DEPTH),
  }),
  unknown: (body) => ({ type: "unknown", id: body.id("id") }),
  cancelDone: (body) => ({
    type: "cancelDone",
    request: body.uint("request"),
    id: body.id("id"),
    state: body.oneOf("state", TERMINAL_STATES),
  }),
};

function readQueue(queue: Shape): QueueRecord {
  return {
    name: queue.name("name"),
    order: queue.oneOf("order", ORDERS),
    placement: queue.oneOf("placement", PLACEMENTS),
    paused: queue.flag("paused"),
    revision: queue.uint("revision"),
    ...(queue.has("settings") ? { settings: readSettings(queue.shape("settings")) } : {}),
    ...(queue.has("orderByDefault") ? { orderByDefault: queue.flag("orderByDefault") } : {}),
  };
}

function readSettings(settings: Shape): QueueSettings {
  return {
    // A share or a time of nothing would divide by zero.
    weight: Math.max(1, settings.uint("weight", MAX_QUEUE_WEIGHT)),
    precedence: settings.uint("precedence", MAX_PRIORITY),
    agingMs: Math.max(1, settings.uint("agingMs", MAX_ASKED_MS)),
    concurrency: settings.uint("concurrency"),
    rate: settings.isNull("rate") ? null : readRate(settings.shape("rate")),
    admission: settings.oneOf("admission", ADMISSIONS),
  };
}

function readRate(rate: Shape): Rate {
  const [limit, perMs, burst] = [rate.uint("limit"), rate.uint("perMs", MAX_ASKED_MS), rate.uint("burst")];
  return { limit: Math.max(1, limit), perMs: Math.max(1, perMs), burst: Math.max(1, burst) };
}

function readHeldAttempt(held: Shape): HeldAttempt {
  return {
    id: held.id("id"),
    epoch: held.uint("epoch"),
    attempt: held.uint("attempt"),
    state: held.oneOf("state", HELD_STATES),
  };
}

function readNote(note: Shape): Note {
  return {
    id: note.id("id"),
    attempt: note.uint("attempt"),
    startedAt: note.millis("startedAt"),
    progress: note.isNull("progress") ? null : readProgress(note.shape("progress")),
    logs: note.list("logs", MAX_LOG_LINES, readLogLine),
  };
}

function readProgress(progress: Shape): { readonly fraction: number; readonly note: string } {
  return { fraction: progress.fraction("fraction"), note: progress.text("note", MAX_TEXT_BYTES) };
}

function readLogLine(line: Shape): LogLine {
  return {
    at: line.millis("at"),
    level: line.oneOf("level", LEVELS),
    message: line.text("message", MAX_TEXT_BYTES),
  };
}

function readQuery(query: Shape): Query {
  const type = query.oneOf("type", QUERIES);
  if (type === "status" || type === "explain" || type === "story") return { type, id: query.id("id") };
  if (type === "schedule") return { type, name: query.name("name") };
  if (type === "activity")
    return { type, after: query.uint("after"), limit: query.uint("limit", MAX_ANSWERED_TASKS) };
  if (type === "graph")
    return {
      type,
      id: query.id("id"),
      from: query.uint("from", MAX_GRAPH_TASKS),
      limit: query.uint("limit", MAX_ANSWERED_TASKS),
    };
  if (type === "graphs") return { type, limit: query.uint("limit", MAX_ANSWERED_TASKS) };
  if (type === "active") return { type, worker: text(query, "worker") };
  if (type !== "list") return { type };
  return {
    type,
    ...(query.has("state") ? { state: sought(query, "state") } : {}),
    ...(query.has("queue") ? { queue: sought(query, "queue") } : {}),
    ...(query.has("name") ? { name: sought(query, "name") } : {}),
    ...(query.has("after") ? { after: query.id("after") } : {}),
    limit: query.uint("limit"),
    ...(query.has("stored") ? { stored: readSearch(query.shape("stored")) } : {}),
  };
}

/** States that this release does not know are those of no task that it has. */
function readSearch(search: Shape): StoredSearch {
  const states = search.value("states");
  return {
    states: STATES.filter((state) => Array.isArray(states) && states.includes(state)),
    ...(search.has("queue") ? { queue: sought(search, "queue") } : {}),
    ...(search.has("name") ? { name: sought(search, "name") } : {}),
    ...(search.has("from") ? { from: search.uint("from") } : {}),
    ...(search.has("to") ? { to: search.uint("to") } : {}),
    ...(search.has("before") ? { before: search.id("before") } : {}),
    limit: search.uint("limit", MAX_ANSWERED_TASKS),
  };
}

function readCommand(command: Shape): Command {
  const type = command.oneOf("type", COMMANDS);
  if (type === "apply") return { type, queues: command.list("queues", MAX_QUEUES, readQueue) };
  if (type === "drain") return { type, worker: text(command, "worker"), ...readWithin(command) };
  if (type === "slots") return { type, worker: text(command, "worker"), slots: command.uint("slots") };
  if (type === "schedule") return { type, schedule: command.text("schedule", MAX_SCHEDULE_TEXT) };
  if (type === "pause" || type === "resume") return { type, queue: command.name("queue") };
  return { type, schedule: command.name("schedule") };
}

function readWithin(drain: Shape): { readonly withinMs?: number } {
  return drain.has("withinMs") ? { withinMs: drain.uint("withinMs") } : {};
}

function readEvent(event: Shape): TaskEvent {
  const type = event.oneOf("type", EVENTS);
  const attempt = event.uint("attempt");
  if (type === "started") return { type, attempt, worker: text(event, "worker"), at: event.millis("at") };
  if (type === "progress") return { type, attempt, ...readProgress(event) };
  if (type === "log") return { type, attempt, line: readLogLine(event.shape("line")) };
  const error = event.isNull("error") ? null : readError(event.shape("error"));
  return { type, attempt, runAt: event.uint("runAt"), error };
}

function readError(error: Shape): TaskError {
  return {
    code: text(error, "code"),
    message: error.text("message", MAX_TEXT_BYTES),
    stack: error.text("stack", MAX_TEXT_BYTES),
  };
}

/** A mailbox, a worker's id or a code. */
function text(shape: Shape, field: string): string {
  return shape.line(field, MAX_KEY_BYTES);
}

/** What a person looks for. */
function sought(shape: Shape, field: string): string {
  return shape.text(field, MAX_KEY_BYTES);
}
