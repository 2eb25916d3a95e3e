import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { ADMISSIONS, ORDERS, PLACEMENTS, type Rate, STATES } from "../protocol/task.ts";
import {
  TRACE_VERSION,
  type TraceAttempt,
  type TraceHeader,
  type TraceQueue,
  type TraceTask,
  type TraceWorker,
} from "../protocol/yard-trace.ts";
import { Fields } from "./fields.ts";

/** A trace as it was read. */
export interface Trace {
  readonly header: TraceHeader;
  readonly tasks: readonly TraceTask[];
}

const ADVICE = " Mend or delete the line, or export the trace again with yardmaster trace.";
const MAX_TIME = 8_640_000_000_000_000;
const TIME = { min: 0, max: MAX_TIME };
const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** Reads what `yard.trace()` yields, one object in JSON a line. Throws INVALID_OPTIONS that names the line and the field. */
export async function readTrace(lines: Iterable<string> | AsyncIterable<string>): Promise<Trace> {
  let line = 0;
  let header: TraceHeader | null = null;
  let broken: { readonly line: number; readonly why: string } | null = null;
  const tasks: TraceTask[] = [];
  for await (const text of lines) {
    line += 1;
    if (text.trim() === "") continue;
    if (broken !== null) throw wrong(broken.line, `is not JSON (${broken.why}).${ADVICE}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      broken = { line, why: messageOf(error) };
      continue;
    }
    if (header === null) header = headerOf(value, line);
    else tasks.push(taskOf(fieldsOf(value, line)));
  }
  if (broken !== null)
    throw wrong(broken.line, "is cut off: delete it to go without that task, or export the trace again.");
  if (header === null) throw wrong(1, "is missing: the file is empty. Export it with yardmaster trace.");
  return { header, tasks };
}

function fieldsOf(value: unknown, line: number): Fields {
  return new Fields(value, "", { name: `line ${line} of the trace`, advice: ADVICE, details: { line } });
}

function headerOf(value: unknown, line: number): TraceHeader {
  const isHeader = typeof value === "object" && value !== null && "yardmaster" in value;
  if (!isHeader)
    throw wrong(
      line,
      "is no header: a trace begins with the line that yardmaster trace wrote first. Export it again.",
    );
  const fields = fieldsOf(value, line);
  fields.oneOf("yardmaster", ["trace"]);
  const version = fields.whole("version", 0, COUNT);
  if (version !== TRACE_VERSION)
    throw new YardmasterError(
      "UNSUPPORTED_VERSION",
      `Line ${line}: the trace has version ${version}, and this Yardmaster reads version ${TRACE_VERSION}: use the one that wrote it, or export it again.`,
      { details: { line, version, supported: TRACE_VERSION } },
    );
  const header: TraceHeader = {
    yardmaster: "trace",
    version,
    at: fields.number("at", undefined, TIME),
    queues: fields.items("queues").map(queueOf),
    workers: fields.items("workers").map(workerOf),
  };
  fields.done();
  return header;
}

function queueOf(fields: Fields): TraceQueue {
  const queue: TraceQueue = {
    name: fields.text("name"),
    order: fields.oneOf("order", ORDERS),
    placement: fields.oneOf("placement", PLACEMENTS),
    weight: fields.whole("weight", 1, { min: 1, max: 1_000 }),
    precedence: fields.whole("precedence", 0, COUNT),
    agingMs: fields.whole("agingMs", 10_000, { min: 1, max: MAX_TIME }),
    concurrency: fields.whole("concurrency", 0, COUNT),
    rate: rateOf(fields),
    admission: fields.oneOf("admission", ADMISSIONS),
  };
  fields.done();
  return queue;
}

function rateOf(fields: Fields): Rate | null {
  if (!fields.isGiven("rate")) return null;
  const rate = fields.sub("rate");
  const least = { min: 1, max: Number.MAX_SAFE_INTEGER };
  const value = {
    limit: rate.whole("limit", 0, least),
    perMs: rate.whole("perMs", 0, least),
    burst: rate.whole("burst", 1, least),
  };
  rate.done();
  return value;
}

function workerOf(fields: Fields): TraceWorker {
  const worker: TraceWorker = {
    id: fields.text("id"),
    slots: fields.whole("slots", 0, { min: 0, max: 1_000_000 }),
    labels: fields.texts("labels"),
    resources: fields.numbers("resources"),
    tasks: fields.words("tasks"),
  };
  fields.done();
  return worker;
}

function taskOf(fields: Fields): TraceTask {
  const submittedAt = fields.number("submittedAt", undefined, TIME);
  const weight = fields.number("weight", 1, { min: 0.001, max: 1_000_000 });
  const [expiresAt, deadline] = [fields.number("expiresAt", 0, TIME), fields.number("deadline", 0, TIME)];
  const task: TraceTask = {
    id: fields.text("id"),
    name: fields.text("name"),
    version: fields.whole("version", 1, COUNT),
    queue: fields.text("queue"),
    priority: fields.whole("priority", 0, { min: 0, max: 255 }),
    state: fields.oneOf("state", STATES),
    ...textsOf(fields),
    submittedAt,
    dueAt: fields.number("dueAt", submittedAt, { min: submittedAt, max: MAX_TIME }),
    ...(expiresAt === 0 ? {} : { expiresAt }),
    ...(deadline === 0 ? {} : { deadline }),
    ...(weight === 1 ? {} : { weight }),
    ...(fields.isGiven("limits") ? { limits: limitsOf(fields.sub("limits")) } : {}),
    needs: fields.numbers("needs"),
    labels: fields.texts("labels"),
    preferred: fields.texts("preferred"),
    after: fields.words("after"),
    attempts: fields.items("attempts").map(attemptOf),
  };
  fields.done();
  return task;
}

function textsOf(fields: Fields): Partial<TraceTask> {
  const names = ["code", "fairnessKey", "affinityKey", "concurrencyKey", "rateKey"] as const;
  return Object.fromEntries(
    names.map((name) => [name, fields.text(name, "")]).filter(([, text]) => text !== ""),
  );
}

function limitsOf(fields: Fields): { readonly concurrency: number; readonly rate: Rate | null } {
  const limits = { concurrency: fields.whole("concurrency", 0, COUNT), rate: rateOf(fields) };
  fields.done();
  return limits;
}

function attemptOf(fields: Fields): TraceAttempt {
  const startedAt = fields.number("startedAt", undefined, TIME);
  const endedAt = fields.isGiven("endedAt")
    ? fields.number("endedAt", undefined, { min: startedAt, max: MAX_TIME })
    : null;
  const attempt: TraceAttempt = {
    worker: fields.text("worker"),
    startedAt,
    endedAt,
    code: fields.text("code", ""),
    ...(fields.isGiven("resumesAt")
      ? { resumesAt: fields.number("resumesAt", undefined, { min: endedAt ?? startedAt, max: MAX_TIME }) }
      : {}),
  };
  fields.done();
  return attempt;
}

function wrong(line: number, why: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", `Line ${line} of the trace ${why}`, { details: { line } });
}
