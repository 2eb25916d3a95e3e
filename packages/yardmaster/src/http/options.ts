import { isIP } from "node:net";
import { YardmasterError } from "../protocol/errors.ts";
import type { TokenRecord } from "./tokens.ts";

/** How the HTTP server runs. */
export interface HttpOptions {
  /** 0 for any free one; default 4400. */
  readonly port?: number;
  /** The address to bind to; default 127.0.0.1. Any that is not loopback needs `tls` or `behindProxy`, and `hosts`. */
  readonly address?: string;
  /** Who may call: see `parseTokens`. At least one. */
  readonly tokens: readonly TokenRecord[];
  /** A certificate and its key in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** One proxy in front speaks TLS and sets X-Forwarded-For; nobody else can reach this port. */
  readonly behindProxy?: boolean;
  /** The names that callers use beside the loopback ones: `yard.example.com`, or with `:8443`. */
  readonly hosts?: readonly string[];
  /** Keys whose values `values` hides, beside the common ones such as `password`. */
  readonly secretKeys?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  /** Whether a dispatcher runs in this process too: then `/readyz` also wants each shard held, by it or by another that it stands by for. */
  readonly dispatches?: boolean;
  /** Told of defects of the server: what was asked, and what was thrown. */
  readonly report?: (what: string, error: unknown) => void;
}

/** What a caller may use up. */
export interface HttpLimits {
  /** A request's body; default 4 MiB. */
  readonly bodyBytes: number;
  /** Until a request's headers have arrived; default 5,000. */
  readonly headersMs: number;
  /** Until all of a request has arrived; default 15,000. */
  readonly requestMs: number;
  /** Requests of one token in a second; default 1,000. */
  readonly requestsPerS: number;
  /** Requests without a good token from one address in a second; default 20. */
  readonly strangersPerS: number;
  /** Waits, event streams and bulk actions of one token at a time; default 200. */
  readonly longAtOnce: number;
  /** Connections in all; default 2,000. */
  readonly connections: number;
}

const DEFAULT_LIMITS: HttpLimits = {
  bodyBytes: 4 * 1024 * 1024,
  headersMs: 5_000,
  requestMs: 15_000,
  requestsPerS: 1_000,
  strangersPerS: 20,
  longAtOnce: 200,
  connections: 2_000,
};

export const DEFAULT_PORT = 4400;
const LOOPBACK = "127.0.0.1";
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/;

export interface CheckedOptions extends Required<Omit<HttpOptions, "tls" | "limits">> {
  readonly tls: HttpOptions["tls"];
  readonly limits: HttpLimits;
}

/** Throws INVALID_OPTIONS for what would be unsafe or cannot be meant. */
export function checkOptions(options: HttpOptions): CheckedOptions {
  if (typeof options !== "object" || options === null) throw invalid("its options are no object");
  const { address = LOOPBACK, tls, behindProxy = false, tokens } = options;
  if (!Array.isArray(tokens)) throw invalid("its tokens are no list");
  const hosts = (options.hosts ?? []).map((host) => String(host).toLowerCase());
  if (tokens.length === 0) throw invalid("there are no tokens: nobody could call it");
  for (const host of hosts) {
    if (!HOST.test(host)) throw invalid(`${JSON.stringify(host)} is no host name, such as yard.example.com`);
  }
  if (!isLoopback(address)) {
    if (tls === undefined && !behindProxy) {
      throw invalid(
        `${JSON.stringify(address)} can be reached from elsewhere: give a TLS certificate and its key, or say that ` +
          "a proxy which speaks TLS is in front (--tls-cert with --tls-key, or --behind-proxy)",
      );
    }
    if (hosts.length === 0) {
      throw invalid(
        `say by which name callers know ${JSON.stringify(address)} (--server-name yard.example.com)`,
      );
    }
  }
  return {
    port: options.port ?? DEFAULT_PORT,
    address,
    tokens,
    tls,
    behindProxy,
    hosts,
    secretKeys: options.secretKeys ?? [],
    dispatches: options.dispatches === true,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    report: options.report ?? ignore,
  };
}

/** Whether only this machine can reach an address. Names other than localhost are not asked for. */
export function isLoopback(address: string): boolean {
  if (address === "localhost" || address === "::1") return true;
  return isIP(address) === 4 && address.startsWith("127.");
}

function invalid(why: string): YardmasterError {
  return new YardmasterError("INVALID_OPTIONS", `The HTTP server is not started: ${why}.`);
}

function ignore(): void {
  // Nobody wants to know.
}
