import { invalidUrl, yardOf } from "../engine-url.ts";

/** What a URL says of a RabbitMQ server. */
export interface RabbitAddress {
  readonly protocol: "amqp" | "amqps";
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly yard: string;
}

/** Throws INVALID_URL. */
export function parseRabbitUrl(url: string): RabbitAddress {
  const parsed = parse(url);
  const protocol = parsed.protocol === "amqps:" ? "amqps" : "amqp";
  if (parsed.hostname === "") throw invalidUrl(url, "it names no host", EXAMPLE);
  if (parsed.hash !== "") throw invalidUrl(url, "it has a fragment", EXAMPLE);
  for (const name of parsed.searchParams.keys()) {
    if (name !== "yard") throw invalidUrl(url, `there is no parameter "${name}"`, EXAMPLE);
  }
  const hasUser = parsed.username !== "" || parsed.password !== "";
  return {
    protocol,
    hostname: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: parsed.port === "" ? DEFAULT_PORTS[protocol] : Number(parsed.port),
    // As every client of RabbitMQ has it; the server lets this user in from its own machine only.
    username: hasUser ? decode(url, parsed.username) : "guest",
    password: hasUser ? decode(url, parsed.password) : "guest",
    vhost: vhostOf(url, parsed.pathname),
    yard: yardOf(url, parsed.searchParams.get("yard"), EXAMPLE),
  };
}

/** For messages: without user and password. */
export function whereIs({ hostname, port }: RabbitAddress): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw invalidUrl(url, "it is no URL", EXAMPLE);
  }
}

function vhostOf(url: string, path: string): string {
  const name = path.slice(1);
  if (name.includes("/")) throw invalidUrl(url, "its vhost has a /; write it as %2F", EXAMPLE);
  return name === "" ? "/" : decode(url, name);
}

function decode(url: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidUrl(url, "a % in it does not start an escape; write % as %25", EXAMPLE);
  }
}

const EXAMPLE = "amqp://user:password@localhost:5672/vhost?yard=shop";
const DEFAULT_PORTS = { amqp: 5672, amqps: 5671 };
