import { createHash, timingSafeEqual } from "node:crypto";
import { type Host, systemHost } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { randomId } from "../protocol/ids.ts";
import { ROLES, type Role } from "./api.ts";

/** A token as it is kept: its SHA-256, never itself. Tokens are long and random, so that no slow hash is needed. */
export interface TokenRecord {
  readonly role: Role;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

const MIN_TOKEN_LENGTH = 32;
const HASHED = /^sha256:([0-9a-f]{64})$/;

/** A new token: 260 random bits that a secret scanner can recognise. */
export function createToken(host: Host = systemHost): string {
  return `ymt_${randomId(host)}${randomId(host)}`;
}

/** The SHA-256 of a token in hexadecimal: what a server keeps in its place. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** A line of a token file. */
export function tokenLine({ role, sha256 }: TokenRecord): string {
  return `${role}:sha256:${sha256}`;
}

/**
 * Reads `role:token` or `role:sha256:digest`, separated by commas or white space; lines that start with # say nothing.
 * Throws INVALID_OPTIONS, which quotes no token.
 */
export function parseTokens(text: string, where: string): TokenRecord[] {
  const entries = text
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .flatMap((line) => line.split(/[\s,]+/))
    .filter((entry) => entry !== "");
  return entries.map((entry, index) => parseToken(entry, `${where}, entry ${index + 1}`));
}

/** Who presents a token; null for nobody known. Takes the same time wherever a digest differs and whichever fits. */
export function findToken(tokens: readonly TokenRecord[], presented: string): TokenRecord | null {
  const digest = createHash("sha256").update(presented).digest();
  let found: TokenRecord | null = null;
  for (const token of tokens) {
    if (timingSafeEqual(Buffer.from(token.sha256, "hex"), digest)) found = token;
  }
  return found;
}

function parseToken(entry: string, where: string): TokenRecord {
  const at = entry.indexOf(":");
  const role = ROLES.find((known) => known === entry.slice(0, at));
  if (role === undefined) throw invalid(where, `it starts with none of ${ROLES.join(", ")} and a colon`);
  const value = entry.slice(at + 1);
  const [, digest] = HASHED.exec(value) ?? [];
  if (digest !== undefined) return { role, sha256: digest };
  if (value.startsWith("sha256:")) throw invalid(where, "its digest is not 64 small hexadecimal digits");
  if (value.length >= MIN_TOKEN_LENGTH) return { role, sha256: hashToken(value) };
  throw invalid(where, `the token is shorter than ${MIN_TOKEN_LENGTH} characters`);
}

function invalid(where: string, why: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", `A token cannot be used (${where}): ${why}.`);
}
