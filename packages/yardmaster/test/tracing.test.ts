import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createToken, hashToken, startHttp } from "../src/http.ts";
import { openTracing } from "../src/opentelemetry.ts";
import { connect, type Yard } from "../src/yard.ts";
import { CliYard } from "./cli-process.ts";
import { inner, outer, recordSpans, type SeenSpan } from "./traced-tasks.ts";

const runFile = promisify(execFile);
const ownSpans = recordSpans();
const tracer = trace.getTracer("test");

describe("a trace", () => {
  let cli: CliYard;
  let worker: ChildProcess;
  let yard: Yard;

  beforeEach(async () => {
    cli = new CliYard();
    await cli.start("dispatcher", "--url", cli.url);
    worker = fork(join(import.meta.dirname, "traced-worker.ts"), [cli.url], { execArgv: ["--no-warnings"] });
    await once(worker, "message");
    yard = await connect(cli.url, { tracing: true });
  });

  afterEach(async () => {
    await yard.close();
    const ended = once(worker, "exit");
    worker.disconnect();
    await ended;
    await cli.close();
  });

  async function workerSpans(): Promise<SeenSpan[]> {
    worker.send("spans");
    const [spans] = await once(worker, "message");
    return spans;
  }

  it("goes from the submission over a dispatcher to each attempt, and on to what its handler submits", async () => {
    const request = tracer.startSpan("GET /order");
    const task = await context.with(trace.setSpan(context.active(), request), () => yard.submit(outer, null));
    const { traceId, spanId } = request.spanContext();
    expect(await task.result({ timeoutMs: 20_000 })).toBe(traceId);
    const [child] = (await yard.list({ name: "inner" })).map(({ id }) => id);
    expect(await yard.handle(inner, child ?? "").result({ timeoutMs: 20_000 })).toBe(traceId);

    const [submitted] = ownSpans().filter(({ name }) => name === "submit traced");
    expect(submitted).toMatchObject({
      kind: SpanKind.PRODUCER,
      traceId,
      parentId: spanId,
      attributes: {
        "messaging.system": "yardmaster",
        "messaging.operation.name": "submit",
        "messaging.operation.type": "send",
        "messaging.destination.name": "traced",
        "messaging.message.id": task.id,
        "yardmaster.task.name": "outer",
      },
    });
    const spans = await workerSpans();
    expect(spans.map(({ name }) => name)).toEqual([
      "process traced",
      "submit traced",
      "process traced",
      "process traced",
    ]);
    const [failed, sent, second, ofInner] = spans;
    expect(spans.every((span) => span.traceId === traceId)).toBe(true);
    expect(failed).toMatchObject({
      kind: SpanKind.CONSUMER,
      parentId: submitted?.spanId,
      status: SpanStatusCode.ERROR,
      attributes: { "yardmaster.task.attempt": 1, "error.type": "HANDLER_FAILED" },
    });
    expect(second).toMatchObject({
      parentId: submitted?.spanId,
      status: SpanStatusCode.UNSET,
      attributes: {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": task.id,
        "yardmaster.task.attempt": 2,
        "yardmaster.task.outcome": "succeeded",
      },
    });
    expect(sent?.parentId).toBe(second?.spanId);
    expect(ofInner).toMatchObject({ parentId: sent?.spanId, attributes: { "messaging.message.id": child } });
  });

  it("begins with the worker where the client does not trace", async () => {
    const plain = await connect(cli.url);
    const task = await plain.submit(inner, 1);
    const own = await task.result({ timeoutMs: 20_000 });
    await plain.close();
    const [span] = await workerSpans();
    expect(span).toMatchObject({ name: "process traced", parentId: "", traceId: own });
  });
});

describe("a program that does not trace", () => {
  /** Submits to nobody, and tells which packages of OpenTelemetry were asked for and how long its frames were. */
  const PROGRAM = `
    import { registerHooks } from "node:module";
    import { DatabaseSync } from "node:sqlite";
    const [sources, url] = process.argv.slice(1);
    const asked = [];
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier.startsWith("@opentelemetry")) asked.push(specifier);
        return next(specifier, context);
      },
    });
    const { connect, defineTask } = await import(sources + "/index.ts");
    const task = defineTask({ name: "plain" });
    const seen = new Set();
    async function frameOf(options) {
      const yard = await connect(url, options);
      await yard.submit(task, { n: 1 });
      await yard.close();
      const file = new DatabaseSync(url.replace("sqlite:", ""));
      const frames = file.prepare("SELECT mailbox || ' ' || id AS place, content FROM frame").all();
      file.close();
      const [fresh] = frames.filter(({ place, content }) => !seen.has(place) && Buffer.from(content).includes("plain"));
      seen.add(fresh.place);
      return Buffer.from(fresh.content);
    }
    const plain = await frameOf({});
    const before = [...asked];
    const idle = await frameOf({ tracing: true });
    console.log(JSON.stringify({ before, after: asked, plain: plain.length, idle: idle.length, carries: plain.includes("traceparent") }));
  `;

  it("loads nothing of OpenTelemetry, and sends the same frame as one without an SDK", async () => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-untraced-"));
    try {
      const sources = join(import.meta.dirname, "../src");
      const args = ["--no-warnings", "--input-type=module", "--eval", PROGRAM, sources];
      const { stdout } = await runFile(process.execPath, [...args, `sqlite:${join(folder, "yard.db")}`]);
      const { plain, idle, ...rest } = JSON.parse(stdout);
      expect(rest).toEqual({ before: [], after: ["@opentelemetry/api"], carries: false });
      expect(idle).toBe(plain);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("a trace that a request names in its headers", () => {
  const TRACE = "0af7651916cd43dd8448eb211c80319c";
  const CALLER = "b7ad6b7169203331";
  const parent = `00-${TRACE}-${CALLER}-01`;
  let cli: CliYard;
  let worker: ChildProcess;

  beforeAll(async () => {
    cli = new CliYard();
    await cli.start("dispatcher", "--url", cli.url);
    worker = fork(join(import.meta.dirname, "traced-worker.ts"), [cli.url], { execArgv: ["--no-warnings"] });
    await once(worker, "message");
  });

  afterAll(async () => {
    const ended = once(worker, "exit");
    worker.disconnect();
    await ended;
    await cli.close();
  });

  /** Submits `inner` over HTTP; answers with the trace that its handler ran in and the span of that. */
  async function submitted(
    tracing: boolean,
    path: "/tasks" | "/tasks/batch",
    headers: Record<string, string>,
  ): Promise<{ trace: unknown; span: SeenSpan | undefined }> {
    await using yard = await connect(cli.url, { tracing });
    const token = createToken();
    const server = await startHttp(yard, {
      port: 0,
      tokens: [{ role: "producer", sha256: hashToken(token) }],
    });
    try {
      const task = { name: inner.name, queue: "traced", input: 1 };
      const response = await fetch(`${server.url}/api/v1${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
        body: JSON.stringify(path === "/tasks" ? task : { tasks: [task] }),
      });
      const answer: unknown = await response.json();
      const [, id = ""] = /"id":"([^"]+)"/.exec(JSON.stringify(answer)) ?? [];
      const trace = await yard.handle(inner, id).result({ timeoutMs: 20_000 });
      worker.send("spans");
      const [spans] = await once(worker, "message");
      return {
        trace,
        span: (spans as SeenSpan[]).find((one) => one.attributes["messaging.message.id"] === id),
      };
    } finally {
      await server.close();
    }
  }

  it.each(["/tasks", "/tasks/batch"] as const)(
    "goes on in the handler, though the server does not trace: %s",
    async (path) => {
      const headers = { traceparent: parent, tracestate: "vendor=1" };
      const { trace, span } = await submitted(false, path, headers);
      expect(trace).toBe(TRACE);
      expect(span?.parentId).toBe(CALLER);
    },
  );

  it("has the server's span in between where it traces", async () => {
    const { trace, span } = await submitted(true, "/tasks", { traceparent: parent });
    expect(trace).toBe(TRACE);
    const sent = ownSpans().find(({ spanId }) => spanId === span?.parentId);
    expect(sent).toMatchObject({ name: "submit traced", traceId: TRACE, parentId: CALLER });
  });

  it.each([
    ["is not well formed", `00-${TRACE}-${CALLER}`],
    ["is all zeros", `00-${"0".repeat(32)}-${CALLER}-01`],
    ["is of no version", `ff-${TRACE}-${CALLER}-01`],
  ])("is left out where it %s", async (_, traceparent) => {
    const { trace, span } = await submitted(false, "/tasks", { traceparent });
    expect(span).toMatchObject({ traceId: trace, parentId: "" });
    expect(trace).not.toBe(TRACE);
  });
});

describe("the trace option", () => {
  it.each([
    ["no object", "00-1-2-01"],
    ["values that are no text", { traceparent: 1 }],
    ["more than can travel", { baggage: "x".repeat(1_024) }],
  ])("is refused with %s", async (_, trace) => {
    await using yard = await connect("memory:trace-option");
    await expect(yard.submit(inner, 1, { trace: trace as never })).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
      details: { field: "trace" },
    });
  });
});

describe("tracing without the library", () => {
  it("says what to install", async () => {
    const missing = openTracing(() => Promise.reject(new Error("Cannot find package '@opentelemetry/api'")));
    await expect(missing).rejects.toMatchObject({
      code: "DRIVER_MISSING",
      message: expect.stringContaining("npm install @opentelemetry/api"),
    });
  });
});
