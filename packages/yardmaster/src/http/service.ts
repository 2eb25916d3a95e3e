import type { FastifyReply, FastifyRequest } from "fastify";
import { sendEvents } from "./events.ts";
import { HttpRefusal } from "./problem.ts";
import type { Context, Route, StreamEvent } from "./route.ts";
import type { TokenRecord } from "./tokens.ts";
import { traceOf } from "./trace-headers.ts";

/** Runs the handlers: counts those that take long, and ends them when their caller goes or the server closes. */
export class Service {
  private readonly context: Context;
  private readonly longAtOnce: number;
  private readonly long = new Map<string, number>();
  private readonly active = new Set<AbortController>();
  private isClosed = false;

  constructor(context: Context, longAtOnce: number) {
    this.context = context;
    this.longAtOnce = longAtOnce;
  }

  async serve(
    route: Route,
    request: FastifyRequest,
    reply: FastifyReply,
    caller: TokenRecord | null,
  ): Promise<unknown> {
    const leave = route.isLong ? this.enter(caller?.sha256 ?? "") : null;
    const gone = new AbortController();
    this.active.add(gone);
    reply.raw.once("close", () => gone.abort());
    if (this.isClosed || reply.raw.destroyed) gone.abort();
    try {
      const { params, query, body } = request;
      const role = caller?.role ?? "viewer";
      const trace = traceOf(request.headers);
      const { signal } = gone;
      const answer = route.handle({ ...this.context, params, query, body, trace, role, signal });
      if (route.answer === null)
        return await this.stream(answer as AsyncIterable<StreamEvent>, request, reply, gone);
      reply.code(route.status ?? 200);
      if (route.textType === undefined) return await answer;
      // Past the serializer, which would make JSON of it.
      const text = Buffer.from(String(await answer));
      return reply.type(route.textType).send(text);
    } finally {
      this.active.delete(gone);
      leave?.();
    }
  }

  close(): void {
    this.isClosed = true;
    for (const each of this.active) each.abort();
  }

  private async stream(
    events: AsyncIterable<StreamEvent>,
    { id }: FastifyRequest,
    reply: FastifyReply,
    gone: AbortController,
  ): Promise<FastifyReply> {
    reply.hijack();
    const headers = reply.headers({ "content-type": "text/event-stream", "x-accel-buffering": "no" });
    reply.raw.writeHead(200, headers.getHeaders() as Record<string, string>);
    reply.raw.flushHeaders();
    await sendEvents(this.context.host, reply.raw, events, gone.signal, id);
    return reply;
  }

  private enter(key: string): () => void {
    const count = this.long.get(key) ?? 0;
    if (count >= this.longAtOnce) {
      throw new HttpRefusal("RATE_LIMITED", `At most ${this.longAtOnce} waits and streams at a time.`, {
        retryAfterS: 1,
      });
    }
    this.long.set(key, count + 1);
    return () => {
      const left = (this.long.get(key) ?? 1) - 1;
      if (left === 0) this.long.delete(key);
      else this.long.set(key, left);
    };
  }
}
