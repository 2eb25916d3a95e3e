import { ERRORS, type ErrorCode, YardmasterError } from "../protocol/errors.ts";
import type { Failure, Problem } from "./api.ts";

/** What goes wrong in HTTP itself. */
// biome-ignore format: the grid is the specification.
const HTTP_PROBLEMS = {
  INVALID_REQUEST:        { status: 400, title: "The request is not as it should be." },
  UNAUTHENTICATED:        { status: 401, title: "A valid bearer token is needed." },
  FORBIDDEN:              { status: 403, title: "The token's role may not do this." },
  WRONG_ORIGIN:           { status: 403, title: "Pages of another origin may not call this server." },
  NOT_FOUND:              { status: 404, title: "There is no such route." },
  REQUEST_TIMEOUT:        { status: 408, title: "The request took too long to arrive." },
  BODY_TOO_LARGE:         { status: 413, title: "The request's body is too large." },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: "Requests that change something carry JSON." },
  WRONG_HOST:             { status: 421, title: "This server does not go by that name." },
  RATE_LIMITED:           { status: 429, title: "Too many requests." },
  HEADERS_TOO_LARGE:      { status: 431, title: "The request's headers are too large." },
  INTERNAL:               { status: 500, title: "A defect of the server; its operator can find it by the request's id." },
  CLOSING:                { status: 503, title: "The server is ending." },
} as const;

type HttpCode = keyof typeof HTTP_PROBLEMS;

const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  INVALID_INPUT: 400,
  INVALID_OPTIONS: 400,
  INVALID_NAME: 400,
  INVALID_ROUTING: 400,
  INVALID_GRAPH: 400,
  INVALID_URL: 500,
  INVALID_FRAME: 502,
  INVALID_WORKER_FILE: 500,
  UNSUPPORTED_VERSION: 502,
  PAYLOAD_TOO_LARGE: 413,
  IDEMPOTENCY_CONFLICT: 409,
  TASK_REFUSED: 422,
  DEPENDENCY_FAILED: 409,
  GRAPH_INCOMPLETE: 409,
  TASK_FAILED: 409,
  TASK_CANCELLED: 409,
  TASK_EXPIRED: 409,
  TASK_UNKNOWN: 409,
  TASK_NOT_FOUND: 404,
  TX_OPEN: 409,
  WAIT_TIMED_OUT: 504,
  RESULT_TOO_LARGE: 409,
  RESULT_INVALID: 409,
  HANDLER_FAILED: 409,
  TIMED_OUT: 409,
  WORKER_LOST: 409,
  PAYLOAD_UNREADABLE: 500,
  FRAME_UNTRUSTED: 503,
  KEY_MISSING: 503,
  QUARANTINED: 409,
  FENCED: 503,
  CONFLICT: 409,
  BROKER_UNAVAILABLE: 503,
  STORE_UNAVAILABLE: 503,
  STORE_FULL: 507,
  ENGINE_DENIED: 502,
  STORE_READ_ONLY: 502,
  STORE_CORRUPT: 502,
  CLOSED: 503,
  TIMED_OUT_CLOSING: 503,
  UNSUPPORTED: 501,
  DRIVER_MISSING: 500,
};

/** A refusal of HTTP's own; the yard was not asked. */
export class HttpRefusal extends Error {
  override readonly name = "HttpRefusal";
  readonly code: HttpCode;
  readonly retryAfterS: number | null;
  readonly issues: Problem["errors"];

  constructor(
    code: HttpCode,
    detail: string,
    options: { readonly retryAfterS?: number; readonly issues?: Problem["errors"] } = {},
  ) {
    super(detail);
    this.code = code;
    this.retryAfterS = options.retryAfterS ?? null;
    this.issues = options.issues;
  }
}

/** The answer to whatever was thrown. What is not meant for callers says nothing but where to look. */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof YardmasterError) return yardProblem(error, requestId);
  const refusal = error instanceof HttpRefusal ? error : refusalOf(error);
  const { status, title } = HTTP_PROBLEMS[refusal.code];
  return {
    type: typeOf(refusal.code),
    title,
    status,
    detail: refusal.message,
    code: refusal.code,
    retryable: refusal.code === "RATE_LIMITED" || refusal.code === "CLOSING",
    requestId,
    ...(refusal.issues === undefined ? {} : { errors: refusal.issues }),
  };
}

/** An error in a list of outcomes. */
export function failureOf(error: unknown): Failure {
  const { code, detail } = problemOf(error, "");
  return { code, message: detail };
}

function yardProblem(error: YardmasterError, requestId: string): Problem {
  const { code, message, retryable } = error;
  const issues = issuesOf(error.details["issues"]);
  return {
    type: typeOf(code),
    title: ERRORS[code].meaning,
    status: STATUS_OF[code],
    detail: message,
    code,
    retryable,
    requestId,
    ...(issues.length === 0 ? {} : { errors: issues }),
  };
}

/** Fastify's own errors: by status, because their codes are many and their messages are safe below 500. */
function refusalOf(error: unknown): HttpRefusal {
  const { status, message, validation } = fastifyErrorOf(error);
  if (validation !== undefined) {
    return new HttpRefusal("INVALID_REQUEST", "See errors for what to change.", { issues: validation });
  }
  const [code] = Object.entries(HTTP_PROBLEMS).find(([, known]) => known.status === status) ?? [];
  if (code !== undefined && status < 500) return new HttpRefusal(code as HttpCode, message);
  if (status === 503) return new HttpRefusal("CLOSING", "Try again, or elsewhere.");
  if (status >= 400 && status < 500) return new HttpRefusal("INVALID_REQUEST", message);
  return new HttpRefusal("INTERNAL", "Nothing more is told here.");
}

interface FastifyError {
  readonly status: number;
  readonly message: string;
  readonly validation: Problem["errors"];
}

function fastifyErrorOf(error: unknown): FastifyError {
  if (!(error instanceof Error)) return { status: 500, message: "", validation: undefined };
  const status = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : 500;
  const context = "validationContext" in error ? String(error.validationContext) : "request";
  const validation =
    "validation" in error && Array.isArray(error.validation)
      ? error.validation.map((issue: { instancePath?: unknown; message?: unknown }) => ({
          path: `${context}${String(issue.instancePath ?? "")}`,
          message: String(issue.message ?? ""),
        }))
      : undefined;
  return { status, message: error.message, validation };
}

function issuesOf(issues: unknown): { path: string; message: string }[] {
  if (!Array.isArray(issues)) return [];
  return issues.map(({ path, message }) => ({ path: String(path), message: String(message) }));
}

function typeOf(code: string): string {
  return `urn:yardmaster:problem:${code}`;
}
