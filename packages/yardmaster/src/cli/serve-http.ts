import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { DEFAULT_PORT, isLoopback } from "../http/options.ts";
import { type HttpServer, startHttp } from "../http.ts";
import { messageOf } from "../protocol/errors.ts";
import { type ConnectOptions, connect } from "../yard.ts";
import { addLogOptions, type EventLog, eventLogOf } from "./event-log.ts";
import { EXIT } from "./exit-code.ts";
import { whole } from "./options.ts";
import { errorText, type Output } from "./output.ts";
import { tokensOf } from "./serve-tokens.ts";
import { shutdownAsked } from "./shutdown.ts";
import { outputOf, type Target, targetOf, usage } from "./target.ts";
import type { Exit } from "./yard-command.ts";

interface ServeOptions {
  readonly port: number;
  readonly address: string;
  readonly serverName?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly behindProxy?: boolean;
  readonly tokens?: string;
  readonly hideKey?: readonly string[];
}

const CLOSE_MS = 5_000;
const MAX_PORT = 65_535;

/** The command that serves the HTTP API. */
export function addServeHttp(program: Command, exit: Exit): void {
  addLogOptions(program.command("serve"))
    .description("serve the HTTP API and the dashboard, on this machine only unless told otherwise")
    .option("--port <number>", "0 for any free one", whole(0, MAX_PORT), DEFAULT_PORT)
    .option("--address <address>", "the address to bind to", "127.0.0.1")
    .option(
      "--server-name <name>",
      "a name that callers use, such as yard.example.com; may be repeated",
      several,
    )
    .option("--tls-cert <file>", "the certificate, in PEM")
    .option("--tls-key <file>", "its key, in PEM")
    .option("--behind-proxy", "a proxy that speaks TLS is in front, and nobody else can reach the port")
    .option("--tokens <file>", "the token file (default: beside the yard; or YARDMASTER_TOKENS)")
    .option("--hide-key <key>", "a key whose values people are not shown; may be repeated", several)
    .action(async (options: ServeOptions, command: Command) => exit(await serve(command, options)));
}

/** `--http` of the commands that run something else: the API and the dashboard beside it, on this machine only. */
export function httpOption(): Option {
  return new Option(
    "--http [port]",
    `also serve the HTTP API and the dashboard here (default: ${DEFAULT_PORT})`,
  )
    .preset(String(DEFAULT_PORT))
    .argParser(whole(0, MAX_PORT));
}

/** What `--http` starts. */
export interface HttpFace {
  close(options: { readonly timeoutMs: number }): Promise<void>;
}

export async function openHttpFace(
  target: Target,
  wait: ConnectOptions,
  { port, dispatches }: { readonly port: number; readonly dispatches: boolean },
  output: Output,
  log: EventLog,
): Promise<HttpFace> {
  const yard = await connect(target, wait);
  try {
    const { tokens, first, discard } = tokensOf(target, undefined, true, output);
    const report = (what: string, error: unknown): void =>
      log.tell("error", "httpTrouble", `${what}: ${errorText(error)}`);
    const server = await startHttp(yard, { port, tokens, report, dispatches }).catch((error: unknown) => {
      discard();
      throw error;
    });
    announce(server, first, output, log);
    return {
      async close({ timeoutMs }) {
        await server.close({ timeoutMs });
        await yard.close({ timeoutMs });
      },
    };
  } catch (error) {
    await yard.close({ timeoutMs: CLOSE_MS });
    throw error;
  }
}

function announce(
  { url, hasDashboard }: HttpServer,
  first: string | null,
  output: Output,
  log: EventLog,
): void {
  log.tell("info", "httpReady", `HTTP API is ready at ${url}`, { url });
  // To whoever started it alone: no log is to have a token.
  if (hasDashboard) output.note(`Dashboard: ${dashboardLink(url, first)}`);
  output.emit({ event: "ready", url });
}

async function serve(command: Command, options: ServeOptions): Promise<number> {
  const target = targetOf(command);
  const output = outputOf(command);
  const log = await eventLogOf(command);
  const asked = shutdownAsked();
  const tls = tlsOf(options);
  const yard = await connect(target);
  try {
    const loopback = isLoopback(options.address);
    const { tokens, first, discard } = tokensOf(target, options.tokens, loopback, output);
    const server = await startHttp(yard, {
      port: options.port,
      address: options.address,
      tokens,
      behindProxy: options.behindProxy === true,
      hosts: options.serverName ?? [],
      secretKeys: options.hideKey ?? [],
      report: (what, error) => log.tell("error", "httpTrouble", `${what}: ${errorText(error)}`),
      ...(tls === undefined ? {} : { tls }),
    }).catch((error: unknown) => {
      discard();
      throw error;
    });
    announce(server, first, output, log);
    log.tell("info", "ending", `${await asked}: answering whoever waits`);
    await server.close({ timeoutMs: CLOSE_MS });
    return EXIT.ok;
  } finally {
    await yard.close({ timeoutMs: CLOSE_MS });
  }
}

/** Signs in by the token that was made just now: what is behind the # reaches no server and no log of one. */
function dashboardLink(url: string, token: string | null): string {
  return token === null ? `${url}/` : `${url}/#token=${token}`;
}

function tlsOf({ tlsCert, tlsKey }: ServeOptions): { cert: string; key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw usage("--tls-cert and --tls-key go together");
  return { cert: textOf(tlsCert, "--tls-cert"), key: textOf(tlsKey, "--tls-key") };
}

function textOf(file: string, option: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw usage(`${option}: ${messageOf(error)}`);
  }
}

function several(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}
