import { z } from "zod";
import type { Route } from "./route.ts";
import { problem } from "./schemas.ts";

/** What the document says beside the routes. */
export const OPENAPI = {
  openapi: "3.1.0",
  info: {
    title: "Yardmaster",
    version: "1",
    description: "Submit tasks, wait for them, look at the yard and act on it.",
  },
  components: { securitySchemes: { token: { type: "http" as const, scheme: "bearer" } } },
} as const;

const PROBLEM = {
  description: "What went wrong (RFC 9457).",
  content: { "application/problem+json": { schema: problem } },
} as const;

/** A route's schemas, as Fastify checks them and the document shows them. */
export function documented(route: Route): object {
  const { summary, roles, params, query, body, answer, status = 200, textType } = route;
  const events = {
    description: "Server-sent events.",
    content: { "text/event-stream": { schema: z.string() } },
  };
  const text = { description: summary, content: { [textType ?? ""]: { schema: z.string() } } };
  return {
    summary,
    ...(roles === null ? { security: [] } : { security: [{ token: [] }] }),
    ...(roles === null ? {} : { description: `Roles: ${["admin", ...roles].join(", ")}.` }),
    ...(params === undefined ? {} : { params }),
    querystring: query ?? z.strictObject({}),
    ...(body === undefined ? {} : { body }),
    response: { [status]: textType === undefined ? (answer ?? events) : text, default: PROBLEM },
  };
}
