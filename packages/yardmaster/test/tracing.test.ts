import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTracing } from "../src/opentelemetry.ts";
import { connect, type Yard } from "../src/yard.ts";
import { CliYard } from "./cli-process.ts";
import { inner, outer, recordSpans, type SeenSpan } from "./traced-tasks.ts";

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

describe("tracing without the library", () => {
  it("says what to install", async () => {
    const missing = openTracing(() => Promise.reject(new Error("Cannot find package '@opentelemetry/api'")));
    await expect(missing).rejects.toMatchObject({
      code: "DRIVER_MISSING",
      message: expect.stringContaining("npm install @opentelemetry/api"),
    });
  });
});
