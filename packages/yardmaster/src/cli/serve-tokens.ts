import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createToken, hashToken, parseTokens, type TokenRecord, tokenLine } from "../http/tokens.ts";
import { messageOf } from "../protocol/errors.ts";
import type { Output } from "./output.ts";
import { type Target, usage } from "./target.ts";

const VARIABLE = "YARDMASTER_TOKENS";
/** Only its owner reads it: digests are no tokens, but nobody else needs them. */
const FILE_MODE = 0o600;
const HEAD =
  "# Who may call this yard's HTTP API: role:sha256:digest, one a line. Roles: viewer, producer, operator, admin.";
const NOTHING = (): void => undefined;

/** Who may call, and the token itself where it was made just now. */
export interface ServeTokens {
  readonly tokens: readonly TokenRecord[];
  readonly first: string | null;
  /** Takes back the one that was made, where nobody can use it: the next try makes another. */
  readonly discard: () => void;
}

/**
 * The tokens of the environment, else of the file; where there is none, a first admin token, printed this once. Beyond
 * loopback none is made: whoever opens a yard to a network has decided who may call it.
 */
export function tokensOf(
  target: Target,
  file: string | undefined,
  mayCreate: boolean,
  output: Output,
): ServeTokens {
  const fromEnvironment = process.env[VARIABLE];
  if (file === undefined && fromEnvironment !== undefined)
    return { tokens: parseTokens(fromEnvironment, VARIABLE), first: null, discard: NOTHING };
  const path = file ?? besideYard(target);
  if (existsSync(path)) return { tokens: parseTokens(read(path), path), first: null, discard: NOTHING };
  if (!mayCreate)
    throw usage(`there are no tokens: put them into ${path} or ${VARIABLE} (docs/http.md says how)`);
  return createFirst(path, output);
}

/** `yard.db.tokens` beside `yard.db`; for a yard on a server in the folder that the command runs in. */
export function besideYard(target: Target): string {
  const url = "url" in target ? target.url : target.store;
  const [, path] = /^sqlite:([^?]+)/i.exec(url) ?? [];
  return path === undefined ? "yardmaster.tokens" : `${decodeURIComponent(path)}.tokens`;
}

function createFirst(path: string, output: Output): ServeTokens {
  const token = createToken();
  const record: TokenRecord = { role: "admin", sha256: hashToken(token) };
  try {
    writeFileSync(path, `${HEAD}\n${tokenLine(record)}\n`, { mode: FILE_MODE, flag: "wx" });
  } catch (error) {
    throw usage(`the first token cannot be kept: ${messageOf(error)}`);
  }
  output.note(`The first admin token, shown only now (its digest is in ${path}):\n  ${token}`);
  output.emit({ event: "token", role: "admin", token, file: path });
  return { tokens: [record], first: token, discard: () => rmSync(path, { force: true }) };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usage(`the token file cannot be read: ${messageOf(error)}`);
  }
}
