import { createHash } from "node:crypto";
import { invalidUrl, yardOf } from "../engine-url.ts";

const EXAMPLE = "postgres://user:password@localhost:5432/db?yard=shop";

/** Those that `pg` understands in a URL, and ours. */
const PARAMETERS = new Set([
  "yard",
  "host",
  "port",
  "sslmode",
  "sslcert",
  "sslkey",
  "sslrootcert",
  "sslnegotiation",
  "uselibpqcompat",
  "application_name",
]);

/** Where a yard is: a schema of a database. */
export interface Address {
  /** For the driver. Holds the password. */
  readonly url: string;
  /** For people, such as "127.0.0.1:5432/shop". */
  readonly where: string;
  /** The yard's schema. */
  readonly yard: string;
}

export function parseAddress(url: string): Address {
  const [base = "", query, more] = url.split("?");
  if (more !== undefined || url.includes("#"))
    throw invalidUrl(url, "write ? and # in a password as %3F and %23", EXAMPLE);
  const parameters = new URLSearchParams(query ?? "");
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) throw invalidUrl(url, `there is no parameter "${name}"`, EXAMPLE);
    if (parameters.getAll(name).length > 1) throw invalidUrl(url, `"${name}" is there twice`, EXAMPLE);
  }
  const yard = yardOf(url, parameters.get("yard"), EXAMPLE);
  const where = whereOf(url, base, parameters);
  parameters.delete("yard");
  const rest = parameters.size === 0 ? "" : `?${parameters.toString()}`;
  return { url: `${base}${rest}`, where, yard };
}

function whereOf(url: string, base: string, parameters: URLSearchParams): string {
  // An authority may be empty, as in postgres:///db?host=/run/postgresql.
  const found = /^[a-z]+:\/\/(?:[^/@]*@)?(\[[^\]/]+\]|[^/@:]*)(?::(\d{1,5}))?(?:\/([^/]*))?$/i.exec(base);
  if (found === null) throw invalidUrl(url, "it is not postgres://user:password@host:port/database", EXAMPLE);
  const [, host = "", port = "", database = ""] = found;
  try {
    decodeURIComponent(base);
  } catch {
    throw invalidUrl(url, "a % in it does not start an escape; write % as %25", EXAMPLE);
  }
  const server = parameters.get("host") ?? (host === "" ? "localhost" : host);
  const socket = server.startsWith("/") ? server : `${server}:${parameters.get("port") ?? (port || "5432")}`;
  return database === "" ? socket : `${socket}/${decodeURIComponent(database)}`;
}

/**
 * 64 bits that stand for a name within a yard and a kind of names, in mailboxes and in advisory locks: nobody has to
 * ask the server for a mailbox's number, and a frame may come before its mailbox.
 */
export function keyOfName(yard: string, kind: "mailbox" | "presence" | "yard", name: string): bigint {
  return createHash("sha256").update(`${yard}\0${kind}\0${name}`).digest().readBigInt64BE(0);
}
