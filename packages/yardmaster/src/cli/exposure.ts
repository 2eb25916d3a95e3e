import type { Target } from "./target.ts";

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|)$/i;
const TLS_SCHEMES: ReadonlySet<string> = new Set(["rediss", "amqps"]);

/**
 * What an operator should know of who else can reach the engines, from their URLs alone: whoever speaks to one without
 * signed frames can submit, cancel and read everything.
 */
export function exposure(target: Target, isSigned: boolean): string[] {
  const urls = "url" in target ? [target.url] : [target.broker, target.store];
  const found = urls.flatMap((url) => {
    const [scheme = ""] = url.split(":", 1);
    return scheme === "sqlite" ? [] : ofServer(scheme, url, isSigned);
  });
  return [...new Set(found)];
}

function ofServer(scheme: string, text: string, isSigned: boolean): string[] {
  if (!URL.canParse(text)) return [];
  const url = new URL(text);
  const host = url.hostname;
  if (scheme === "memory" || LOOPBACK.test(host) || url.searchParams.get("host")?.startsWith("/")) return [];
  const hasPassword = url.password !== "" || url.searchParams.has("password");
  const isSafePostgres = /^(?:require|verify-ca|verify-full)$/.test(url.searchParams.get("sslmode") ?? "");
  const isEncrypted = TLS_SCHEMES.has(scheme) || isSafePostgres;
  return [
    ...(isEncrypted ? [] : [`warning: the connection to ${host} is not encrypted: use ${advised(scheme)}`]),
    ...(hasPassword || isSafePostgres
      ? []
      : [`warning: ${host} is asked for without a password: give its clients one`]),
    ...(isSigned
      ? []
      : [
          `warning: ${host} is on a network and frames are not signed: see YARDMASTER_SIGNING_KEYS in docs/security.md`,
        ]),
  ];
}

function advised(scheme: string): string {
  if (scheme === "redis") return "rediss://";
  return scheme === "amqp" ? "amqps://" : "sslmode=verify-full";
}
