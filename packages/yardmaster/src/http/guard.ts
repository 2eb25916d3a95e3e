import type { FastifyReply, FastifyRequest } from "fastify";
import type { CheckedOptions } from "./options.ts";
import { HttpRefusal } from "./problem.ts";
import type { Route } from "./route.ts";
import { findToken, type TokenRecord } from "./tokens.ts";

const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
} as const;
const HSTS = { "strict-transport-security": "max-age=31536000" } as const;

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;
const JSON_TYPE = /^application\/json *(?:;|$)/i;

/** By which names and origins the server may be called. */
export interface Names {
  readonly hosts: ReadonlySet<string>;
  readonly origins: ReadonlySet<string>;
}

/** Every exact `Host` and `Origin` that is right for a server on this port. */
export function namesOf({ hosts, tls, behindProxy }: CheckedOptions, port: number): Names {
  const own = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`];
  const scheme = tls === undefined ? "http" : "https";
  const outside = tls === undefined && !behindProxy ? "http" : "https";
  return {
    hosts: new Set([...own, ...hosts]),
    origins: new Set([
      ...own.map((host) => `${scheme}://${host}`),
      ...hosts.map((host) => `${outside}://${host}`),
    ]),
  };
}

export function setSecurityHeaders(reply: FastifyReply, requestId: string, isTls: boolean): void {
  reply.headers({ ...SECURITY_HEADERS, ...(isTls ? HSTS : {}), "x-request-id": requestId });
}

/** Against pages that reach this server under a name of theirs (DNS rebinding) or from an origin of theirs. */
export function checkNames(request: FastifyRequest, { hosts, origins }: Names): void {
  const given = request.raw.rawHeaders.filter((text, index) => index % 2 === 0 && /^host$/i.test(text));
  const host = request.headers.host?.toLowerCase();
  if (given.length > 1 || host === undefined || !hosts.has(host)) {
    throw new HttpRefusal("WRONG_HOST", "The Host header is none of the names that this server was given.");
  }
  const { origin } = request.headers;
  if (origin !== undefined && !origins.has(origin)) {
    throw new HttpRefusal("WRONG_ORIGIN", "The Origin header is none of this server's own.");
  }
}

/** What a form of another page cannot send. */
export function checkContentType(request: FastifyRequest): void {
  if (request.method === "GET" || JSON_TYPE.test(request.headers["content-type"] ?? "")) return;
  throw new HttpRefusal("UNSUPPORTED_MEDIA_TYPE", "Send content-type: application/json, without a body too.");
}

/** Whose token the request carries; null for none or an unknown one. Tokens in URLs and cookies do not count. */
export function callerOf(request: FastifyRequest, tokens: readonly TokenRecord[]): TokenRecord | null {
  const [, token] = BEARER.exec(request.headers.authorization ?? "") ?? [];
  return token === undefined ? null : findToken(tokens, token);
}

export function checkRole(caller: TokenRecord, roles: NonNullable<Route["roles"]>): void {
  if (caller.role === "admin" || roles.includes(caller.role)) return;
  throw new HttpRefusal("FORBIDDEN", `This takes a token of ${["admin", ...roles].join(", ")}.`);
}
