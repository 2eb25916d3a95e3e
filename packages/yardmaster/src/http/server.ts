import { STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  fastify,
} from "fastify";
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from "fastify-type-provider-zod";
import { endedWithin } from "../deadline.ts";
import { type Host, systemHost } from "../host.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import type { Yard } from "../yard.ts";
import { type PageConfig, serveDashboard } from "./dashboard.ts";
import { callerOf, checkContentType, checkNames, checkRole, namesOf, setSecurityHeaders } from "./guard.ts";
import { LiveFeed } from "./live-feed.ts";
import { documented, OPENAPI } from "./openapi.ts";
import { type CheckedOptions, checkOptions, type HttpOptions } from "./options.ts";
import { HttpRefusal, problemOf } from "./problem.ts";
import type { Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { documentSchemas } from "./schemas.ts";
import { Service } from "./service.ts";
import type { TokenRecord } from "./tokens.ts";

/** A running HTTP server. The yard that it serves is its caller's, and stays open when it closes. */
export interface HttpServer {
  readonly port: number;
  /** What to open or call, such as `http://127.0.0.1:4400`. */
  readonly url: string;
  /** Whether the dashboard is there: a package that was built without it serves the API alone. */
  readonly hasDashboard: boolean;
  /** Answers whoever waits, then ends; settles within `timeoutMs` (default 5,000). */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const CLOSE_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;
/** A socket on which nothing moves: longer than the longest wait and the pause between signs of life of a stream. */
const IDLE_MS = 90_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
/** Names may have 256 bytes, each of which may be escaped by three. */
const MAX_PARAMETER = 800;
const SECOND_MS = 1_000;
const OPENAPI_PATH = "/openapi.json";

/** `startHttp` without the loading. */
export async function startServer(yard: Yard, options: HttpOptions): Promise<HttpServer> {
  const checked = checkOptions(options);
  const host = systemHost;
  const app = createApp(checked, host);
  const { secretKeys, dispatches } = checked;
  const context = { yard, host, secretKeys, dispatches, feed: new LiveFeed(yard, host) };
  const service = new Service(context, checked.limits.longAtOnce);
  const callers = new WeakMap<FastifyRequest, TokenRecord>();
  let port = checked.port;

  await app.register(rateLimit, { global: false });
  await app.register(swagger, {
    openapi: OPENAPI,
    transform: createJsonSchemaTransform({ schemaRegistry: documentSchemas }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry: documentSchemas }),
  });
  const limiter = (max: number): ReturnType<FastifyInstance["createRateLimit"]> =>
    app.createRateLimit({
      max,
      timeWindow: SECOND_MS,
      keyGenerator: (request) => callers.get(request)?.sha256 ?? request.ip,
    });
  const known = limiter(checked.limits.requestsPerS);
  const strange = limiter(checked.limits.strangersPerS);
  const visits = limiter(checked.limits.requestsPerS);
  let names = namesOf(checked, port);

  app.addHook("onRequest", async (request, reply) => {
    setSecurityHeaders(reply, request.id, checked.tls !== undefined);
    const { route, isOpen, isPage } = request.routeOptions.config as RouteConfig;
    // Probes come by address; they change nothing and say nothing that a page could use.
    if (isOpen !== true) checkNames(request, names);
    // The page is the same for all, and comes from memory: its many files are no guesses of a token.
    if (isPage === true) return checkRate(request, visits);
    const caller = callerOf(request, checked.tokens);
    if (caller !== null) callers.set(request, caller);
    await checkRate(request, caller === null ? strange : known);
    const roles = route?.roles ?? null;
    if (roles !== null && caller === null) throw new HttpRefusal("UNAUTHENTICATED", "Send a bearer token.");
    if (roles !== null && caller !== null) checkRole(caller, roles);
    checkContentType(request);
  });

  for (const route of ROUTES) {
    app.route({
      method: route.method,
      url: route.path,
      schema: documented(route),
      config: { route, isOpen: route.roles === null } satisfies RouteConfig,
      handler: (request, reply) => service.serve(route, request, reply, callers.get(request) ?? null),
    });
  }
  let document = "";
  app.get(OPENAPI_PATH, { schema: { hide: true } as object }, async (_, reply) =>
    reply.type("application/json").send(document),
  );
  const hasDashboard = serveDashboard(app);
  await app.ready();
  document = JSON.stringify(app.swagger());
  await listen(app, checked);
  ({ port } = app.server.address() as AddressInfo);
  names = namesOf(checked, port);
  const close = closeOnce(app, service, host);
  return { port, url: urlOf(checked, port), hasDashboard, close, [Symbol.asyncDispose]: () => close() };
}

/** What a route carries for the checks before it. */
interface RouteConfig {
  readonly route?: Route;
  readonly isOpen?: boolean;
  readonly isPage?: PageConfig["isPage"];
}

function createApp(options: CheckedOptions, host: Host): FastifyInstance {
  const { limits, tls, behindProxy, report } = options;
  const node = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.min(SECOND_MS, limits.headersMs),
    requireHostHeader: true,
    insecureHTTPParser: false,
  };
  const common: FastifyServerOptions = {
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMs,
    connectionTimeout: IDLE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    genReqId: () => randomId(host),
    // One proxy: what it says of whom it speaks for is believed, what those say is not.
    trustProxy: behindProxy ? (_address: string, hop: number): boolean => hop === 0 : false,
    routerOptions: { maxParamLength: MAX_PARAMETER },
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
      setSecurityHeaders(reply, request.id, tls !== undefined);
      sendProblem(error, request, reply, report);
    },
  };
  const server = tls === undefined ? { http: node } : { https: { ...node, ...tls, minVersion: "TLSv1.2" } };
  // With TLS the instance's types differ in what nothing here looks at.
  const app: FastifyInstance = made(() => fastify({ ...common, ...server } as FastifyServerOptions));
  app.server.maxConnections = limits.connections;
  app.server.maxHeadersCount = MAX_HEADERS;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, {});
    else void parse(request, body as string, done);
  });
  app.setNotFoundHandler(() => {
    throw new HttpRefusal("NOT_FOUND", `See ${OPENAPI_PATH} for what there is.`);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, report));
  return app;
}

/** A certificate or key that is none is found out here. */
function made(make: () => FastifyInstance): FastifyInstance {
  try {
    return make();
  } catch (error) {
    throw new YardmasterError("INVALID_OPTIONS", `The HTTP server is not started: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

async function listen(app: FastifyInstance, { port, address }: CheckedOptions): Promise<void> {
  try {
    await app.listen({ port, host: address });
  } catch (error) {
    await app.close();
    throw new YardmasterError(
      "INVALID_OPTIONS",
      `The HTTP server cannot listen on port ${port} of ${address}: ${messageOf(error)}. Try another --port.`,
      { cause: error },
    );
  }
}

async function checkRate(
  request: FastifyRequest,
  limiter: ReturnType<FastifyInstance["createRateLimit"]>,
): Promise<void> {
  const rate = await limiter(request);
  if (rate.isAllowed || !rate.isExceeded) return;
  throw new HttpRefusal("RATE_LIMITED", `At most ${rate.max} a second.`, { retryAfterS: rate.ttlInSeconds });
}

function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  report: CheckedOptions["report"],
): void {
  const problem = problemOf(error, request.id);
  const { status, code, retryable } = problem;
  if (code === "INTERNAL") {
    report(`${request.method} ${request.routeOptions.url ?? "?"} (request ${request.id})`, error);
  }
  if (status === 401) reply.header("www-authenticate", 'Bearer realm="yardmaster"');
  const retryAfterS = error instanceof HttpRefusal ? error.retryAfterS : null;
  if (retryAfterS !== null || retryable) reply.header("retry-after", retryAfterS ?? 1);
  void reply.code(status).type("application/problem+json").send(JSON.stringify(problem));
}

/** What is no HTTP gets one short answer and loses its connection. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(malformed(error.code), "");
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function malformed(code: string | undefined): HttpRefusal {
  if (code === "HPE_HEADER_OVERFLOW")
    return new HttpRefusal("HEADERS_TOO_LARGE", "At most 16 KiB of headers.");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new HttpRefusal("REQUEST_TIMEOUT", "Send it faster.");
  return new HttpRefusal("INVALID_REQUEST", "This is not well-formed HTTP/1.1.");
}

function closeOnce(app: FastifyInstance, service: Service, host: Host): HttpServer["close"] {
  let closing: Promise<void> | null = null;
  const shut = async (timeoutMs: number): Promise<void> => {
    service.close();
    const closed = app.close();
    if (!(await endedWithin(host, timeoutMs, closed))) app.server.closeAllConnections();
    await closed;
  };
  return ({ timeoutMs = CLOSE_MS } = {}) => {
    closing ??= shut(timeoutMs);
    return closing;
  };
}

function urlOf({ tls, address }: CheckedOptions, port: number): string {
  const name = address.includes(":") ? `[${address}]` : address;
  return `${tls === undefined ? "http" : "https"}://${name}:${port}`;
}
