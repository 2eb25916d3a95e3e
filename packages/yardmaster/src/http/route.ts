import type { z } from "zod";
import type { TraceHeaders } from "../client/trace-option.ts";
import type { Host } from "../host.ts";
import type { Yard } from "../yard.ts";
import type { Role } from "./api.ts";
import type { LiveFeed } from "./live-feed.ts";

/** What a stream tells, named by its `type`. */
export interface StreamEvent {
  readonly type: string;
}

/** What every handler may use. */
export interface Context {
  readonly yard: Yard;
  readonly host: Host;
  /** Keys whose values people are not shown, beside those that everybody hides. */
  readonly secretKeys: readonly string[];
  /** Whether a dispatcher runs in this process. */
  readonly dispatches: boolean;
  /** What all who watch share. */
  readonly feed: LiveFeed;
}

/** One request, checked. */
export interface Call<Params, Query, Body> extends Context {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The trace that the caller says it is in, if any. */
  readonly trace: TraceHeaders | null;
  /** Of the caller's token; a route that needs none has a viewer. */
  readonly role: Role;
  /** Aborted when the caller has gone or the server closes. */
  readonly signal: AbortSignal;
}

interface Shape<Params, Query, Body> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly summary: string;
  /** Who may call it, beside an admin; null where no token is needed. */
  readonly roles: readonly Role[] | null;
  readonly params?: z.ZodType<Params>;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  /** Default 200. */
  readonly status?: 200 | 201;
  /** Answers with text of this type in place of JSON. */
  readonly textType?: string;
  /** Counted, because it may hold a connection for long. */
  readonly isLong?: boolean;
}

/** A route whose types were checked where it was written. */
export interface Route extends Shape<unknown, unknown, unknown> {
  /** Null where the answer is a stream of server-sent events. */
  readonly answer: z.ZodType | null;
  /** The answer's body, or the events. */
  handle(call: Call<unknown, unknown, unknown>): Promise<unknown> | AsyncIterable<StreamEvent>;
}

/** Holds a handler to its schemas. */
export function route<Params, Query, Body, Answer>(
  checked: Shape<Params, Query, Body> & {
    readonly answer: z.ZodType<Answer>;
    handle(call: Call<Params, Query, Body>): Promise<Answer>;
  },
): Route {
  // The server hands a handler nothing but what its own schemas let through.
  return checked as unknown as Route;
}

/** As `route`, for an answer that is a stream of events. */
export function streamRoute<Params, Query>(
  checked: Shape<Params, Query, never> & {
    handle(call: Call<Params, Query, never>): AsyncIterable<StreamEvent>;
  },
): Route {
  // As in `route`.
  return { ...checked, isLong: true, answer: null } as unknown as Route;
}
