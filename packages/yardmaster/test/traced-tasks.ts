import { context, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { defineTask, type TaskDefinition } from "../src/definition.ts";

/** Fails once, then submits `inner` and answers with the trace that its handler ran in. */
export const outer: TaskDefinition<null, string> = defineTask<null, string>({
  name: "outer",
  queue: "traced",
  attempts: 2,
  backoff: { type: "fixed", baseMs: 1 },
});
export const inner: TaskDefinition<number, string> = defineTask<number, string>({
  name: "inner",
  queue: "traced",
});

/** A span in plain values, which travel between processes. */
export interface SeenSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly status: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Sets up OpenTelemetry for this process as a program would; answers with what was recorded so far. */
export function recordSpans(): () => SeenSpan[] {
  const exporter = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  return () => exporter.getFinishedSpans().map(seen);
}

export function activeTraceId(): string {
  return trace.getSpanContext(context.active())?.traceId ?? "";
}

function seen(span: ReadableSpan): SeenSpan {
  const { traceId, spanId } = span.spanContext();
  const { name, kind, attributes, status, parentSpanContext } = span;
  return {
    name,
    kind,
    traceId,
    spanId,
    parentId: parentSpanContext?.spanId ?? "",
    status: status.code,
    attributes,
  };
}
