import type * as OpenTelemetry from "@opentelemetry/api";
import { messageOf, YardmasterError } from "./protocol/errors.ts";
import { MAX_TRACE_BYTES, type TaskId } from "./protocol/task.ts";
import type { Processed, Processing, Sending, Tracing } from "./tracing.ts";

type Api = typeof OpenTelemetry;

const SYSTEM = "yardmaster";

/**
 * Spans by the semantic conventions for messaging: `submit QUEUE` of kind producer, `process QUEUE` of kind consumer.
 * What is done with them is the business of the SDK that the program has set up; without one, nothing.
 * Throws DRIVER_MISSING. `load` is the import, which tests replace by one that fails.
 */
export async function openTracing(
  load: () => Promise<Api> = () => import("@opentelemetry/api"),
): Promise<Tracing> {
  try {
    return new SpansOfTasks(await load());
  } catch (error) {
    throw new YardmasterError(
      "DRIVER_MISSING",
      `Tracing needs @opentelemetry/api, which cannot be loaded (${messageOf(error).split("\n")[0]}). To install it: npm install @opentelemetry/api`,
      { cause: error },
    );
  }
}

class SpansOfTasks implements Tracing {
  readonly #api: Api;
  readonly #tracer: OpenTelemetry.Tracer;

  constructor(api: Api) {
    this.#api = api;
    this.#tracer = api.trace.getTracer(SYSTEM);
  }

  async sending<T extends { readonly id: TaskId }>(
    { name, queue, count, trace: brought }: Sending,
    send: (trace: string) => Promise<T>,
  ): Promise<T> {
    const { context, trace } = this.#api;
    const before = this.#before(brought);
    const options: OpenTelemetry.SpanOptions = {
      kind: this.#api.SpanKind.PRODUCER,
      attributes: {
        ...attributesOf("submit", "send", name, queue),
        ...(count > 1 ? { "messaging.batch.message_count": count } : {}),
      },
    };
    const span = this.#tracer.startSpan(`submit ${queue}`, options, before);
    const within = trace.setSpan(before, span);
    try {
      const sent = await context.with(within, () => send(this.#carried(within)));
      span.setAttribute("messaging.message.id", sent.id);
      return sent;
    } catch (error) {
      this.#failed(span, error instanceof YardmasterError ? error.code : "_OTHER", messageOf(error));
      throw error;
    } finally {
      span.end();
    }
  }

  processing<T extends Processed>(
    { name, queue, id, attempt, worker, trace }: Processing,
    run: () => T | Promise<T>,
  ): T | Promise<T> {
    const { context, propagation, ROOT_CONTEXT, SpanKind } = this.#api;
    const before = trace === "" ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, carrierOf(trace));
    const options: OpenTelemetry.SpanOptions = {
      kind: SpanKind.CONSUMER,
      attributes: {
        ...attributesOf("process", "process", name, queue),
        "messaging.message.id": id,
        "messaging.client.id": worker,
        "yardmaster.task.attempt": attempt,
      },
    };
    const span = this.#tracer.startSpan(`process ${queue}`, options, before);
    const ending = context.with(this.#api.trace.setSpan(before, span), run);
    if (!(ending instanceof Promise)) return this.#ended(span, ending);
    return ending.then((late) => this.#ended(span, late));
  }

  /** The active span knows best: where requests are traced, it is already within what the caller sent along. */
  #before(brought: string): OpenTelemetry.Context {
    const { context, propagation, trace } = this.#api;
    const active = context.active();
    if (brought === "" || trace.getSpan(active) !== undefined) return active;
    return propagation.extract(active, carrierOf(brought));
  }

  #ended<T extends Processed>(span: OpenTelemetry.Span, ending: T): T {
    span.setAttribute("yardmaster.task.outcome", ending.kind);
    const { error } = ending;
    if (error !== null) this.#failed(span, error.code, error.message);
    span.end();
    return ending;
  }

  #failed(span: OpenTelemetry.Span, code: string, message: string): void {
    span.setAttribute("error.type", code);
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message });
  }

  /** What an unusual propagator makes too large to travel with every task is left out, not cut. */
  #carried(within: OpenTelemetry.Context): string {
    const carrier: Record<string, string> = {};
    this.#api.propagation.inject(within, carrier);
    if (Object.keys(carrier).length === 0) return "";
    const text = JSON.stringify(carrier);
    return Buffer.byteLength(text) <= MAX_TRACE_BYTES ? text : "";
  }
}

function attributesOf(
  operation: string,
  type: string,
  name: string,
  queue: string,
): OpenTelemetry.Attributes {
  return {
    "messaging.system": SYSTEM,
    "messaging.operation.name": operation,
    "messaging.operation.type": type,
    "messaging.destination.name": queue,
    "yardmaster.task.name": name,
  };
}

/** Another program may have written it: whatever is not text by name is no part of a trace. */
function carrierOf(trace: string): Record<string, string> {
  try {
    const carrier: unknown = JSON.parse(trace);
    if (typeof carrier !== "object" || carrier === null) return {};
    return Object.fromEntries(Object.entries(carrier).filter(([, value]) => typeof value === "string"));
  } catch {
    return {};
  }
}
