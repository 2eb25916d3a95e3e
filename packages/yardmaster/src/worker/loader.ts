import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { type Handler, isHandler } from "./handlers.ts";

const EXPECTED = "its default export must be a handler, or an array of handlers, made by createHandlers().on";

/**
 * The handlers of a worker file: its default export, one handler or an array of them. Throws INVALID_WORKER_FILE
 * naming the file and what is wrong with it.
 *
 * @param file A path, or a `file:` URL.
 */
export async function loadHandlers(file: string): Promise<Handler[]> {
  const module: unknown = await importFile(file);
  const exported =
    typeof module === "object" && module !== null && "default" in module ? module.default : undefined;
  const handlers: unknown[] = Array.isArray(exported) ? exported : [exported];
  const found = handlers.filter(isHandler);
  if (found.length === handlers.length && found.length > 0) return found;
  throw invalid(file, `${EXPECTED}; ${whatIs(exported)}`);
}

function whatIs(exported: unknown): string {
  if (exported === undefined) return "it has no default export";
  if (!Array.isArray(exported)) return `it is a ${typeof exported}`;
  if (exported.length === 0) return "it is an empty array";
  return `element ${exported.findIndex((entry) => !isHandler(entry))} is something else`;
}

async function importFile(file: string): Promise<unknown> {
  const url = file.startsWith("file:") ? file : pathToFileURL(resolve(file)).href;
  if (!isThere(url)) throw invalid(file, "there is no such file");
  try {
    return await import(url);
  } catch (error) {
    throw invalid(file, `it cannot be loaded: ${reasonOf(error, file)}`, error);
  }
}

function isThere(url: string): boolean {
  try {
    return existsSync(fileURLToPath(url));
  } catch {
    // A URL that stands for no path.
    return false;
  }
}

function reasonOf(error: unknown, file: string): string {
  const message = messageOf(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return isBeyondTypeStripping(code, error, file)
    ? `${message} (Node strips types but does not compile: run it with --import tsx)`
    : message;
}

const STRIPPING_CODES = new Set([
  "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
  "ERR_INVALID_TYPESCRIPT_SYNTAX",
  "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING",
  "ERR_UNKNOWN_FILE_EXTENSION",
]);

function isBeyondTypeStripping(code: string, error: unknown, file: string): boolean {
  if (STRIPPING_CODES.has(code)) return true;
  const isTypeScript = /\.[cm]?tsx?$/.test(file);
  // Imports without an extension, and ".js" for a ".ts" file, are what only a compiler resolves.
  return isTypeScript && (code === "ERR_MODULE_NOT_FOUND" || error instanceof SyntaxError);
}

function invalid(file: string, what: string, cause?: unknown): YardmasterError {
  return new YardmasterError("INVALID_WORKER_FILE", `${file} is not a worker file: ${what}.`, {
    cause,
    details: { file },
  });
}
