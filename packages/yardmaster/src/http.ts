/** Yardmaster over HTTP: needs Fastify, which is installed beside it. */
import type { HttpOptions } from "./http/options.ts";
import type { HttpServer } from "./http/server.ts";
import { YardmasterError } from "./protocol/errors.ts";
import type { Yard } from "./yard.ts";

export type { Role } from "./http/api.ts";
export type { HttpLimits, HttpOptions } from "./http/options.ts";
export type { HttpServer } from "./http/server.ts";
export { createToken, hashToken, parseTokens, type TokenRecord } from "./http/tokens.ts";

const INSTALL =
  "npm install fastify@5 fastify-type-provider-zod@7 @fastify/rate-limit@11 @fastify/swagger@9 zod@4";

/**
 * Serves a yard over HTTP, on loopback unless it is told otherwise. Throws DRIVER_MISSING with what to install, and
 * INVALID_OPTIONS for what would be unsafe.
 *
 * @example
 * const token = createToken();
 * const server = await startHttp(yard, { tokens: [{ role: "producer", sha256: hashToken(token) }] });
 * console.log(server.url);
 */
export async function startHttp(yard: Yard, options: HttpOptions): Promise<HttpServer> {
  const { startServer } = await load();
  return startServer(yard, options);
}

async function load(): Promise<typeof import("./http/server.ts")> {
  try {
    return await import("./http/server.ts");
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    if (!isMissing) throw error;
    throw new YardmasterError(
      "DRIVER_MISSING",
      `The HTTP server stands on packages that are not installed (${error.message}). Install them: ${INSTALL}`,
      { cause: error },
    );
  }
}
