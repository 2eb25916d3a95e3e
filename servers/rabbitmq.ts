import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { connect } from "amqplib";
import { makeCertificates } from "./certificates.ts";
import { findProgram, freePort, onFreePorts, type Server, ServerProcess } from "./server.ts";

const INSTALL = "apt-get install rabbitmq-server";
/** Debian's program in PATH changes the user and forgets the environment; this one does neither. */
const DEBIAN_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server";

export interface RabbitServer extends Server {
  /** Where it listens, such as "127.0.0.1:40123". */
  readonly address: string;
  /** Where it speaks TLS, and the certificate of the authority to trust; "" without. */
  readonly tlsAddress: string;
  readonly authorityFile: string;
  /** Runs rabbitmqctl on this node and answers what it wrote. */
  control(...args: readonly string[]): Promise<string>;
}

/**
 * Starts a private RabbitMQ node with a name, cookie, folder and port mapper (epmd) of its own; in about 5 s. Throws
 * ServerMissing.
 */
export function startRabbitMq(options: { readonly isTls?: boolean } = {}): Promise<RabbitServer> {
  return onFreePorts(() => startOnce(options));
}

async function startOnce(options: { readonly isTls?: boolean }): Promise<RabbitServer> {
  const program = existsSync(DEBIAN_PROGRAM) ? DEBIAN_PROGRAM : findProgram("rabbitmq-server", INSTALL);
  const epmdProgram = findProgram("epmd", INSTALL);
  const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-rabbitmq-"));
  const node = `ym-${randomBytes(4).toString("hex")}@localhost`;
  const tlsPort = options.isTls === true ? await freePort() : 0;
  if (tlsPort > 0) await makeCertificates(folder);
  const env = environmentOf(folder, { node, port, tlsPort, distributionPort, epmdPort });
  const run = promisify(execFile);
  const epmd = new ServerProcess(epmdProgram, ["-port", `${epmdPort}`, "-address", "127.0.0.1"], { env });
  let rabbit = await launch(program, env, port);
  let yards = 0;
  const control = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run(join(dirname(program), "rabbitmqctl"), ["-n", node, ...args], { env });
    return stdout;
  };

  return {
    name: "RabbitMQ",
    address: `127.0.0.1:${port}`,
    tlsAddress: tlsPort > 0 ? `127.0.0.1:${tlsPort}` : "",
    authorityFile: tlsPort > 0 ? join(folder, "ca.crt") : "",
    yardUrl: () => {
      yards += 1;
      return `amqp://127.0.0.1:${port}?yard=yard${yards}`;
    },
    control,
    connections: async () => {
      const lines = await control("list_connections", "-q", "--no-table-headers", "pid");
      return lines.split("\n").filter((line) => line !== "").length;
    },
    footprint: async () => {
      const lines = (await control("list_queues", "-q", "--no-table-headers", "messages")).trim().split("\n");
      const messages = lines.filter((line) => line !== "").map(Number);
      return { queues: messages.length, messages: messages.reduce((sum, count) => sum + count, 0) };
    },
    kill: () => rabbit.end("SIGKILL"),
    start: async () => {
      rabbit = await launch(program, env, port);
    },
    freeze: () => void rabbit.child.kill("SIGSTOP"),
    thaw: () => void rabbit.child.kill("SIGCONT"),
    stop: async () => {
      await rabbit.end("SIGKILL");
      await epmd.end("SIGKILL");
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function launch(program: string, env: NodeJS.ProcessEnv, port: number): Promise<ServerProcess> {
  const rabbit = new ServerProcess(program, [], { env });
  await rabbit.ready(async () => {
    await (await connect(`amqp://127.0.0.1:${port}`)).close();
    return true;
  });
  return rabbit;
}

function environmentOf(
  folder: string,
  {
    node,
    port,
    tlsPort,
    distributionPort,
    epmdPort,
  }: Record<"port" | "tlsPort" | "distributionPort" | "epmdPort", number> & { node: string },
): NodeJS.ProcessEnv {
  const place = (name: string): string => join(folder, name);
  mkdirSync(place("home"));
  writeFileSync(place("home/.erlang.cookie"), randomBytes(16).toString("hex"), { mode: 0o400 });
  writeFileSync(place("enabled_plugins"), "[].\n");
  writeFileSync(place("env.conf"), "");
  const settings = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    "disk_free_limit.absolute = 50MB",
    "log.file.level = warning",
  ];
  if (tlsPort > 0) {
    settings.push(
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.cacertfile = ${place("ca.crt")}`,
      `ssl_options.certfile = ${place("server.crt")}`,
      `ssl_options.keyfile = ${place("server.key")}`,
      "ssl_options.verify = verify_none",
    );
  }
  writeFileSync(place("rabbitmq.conf"), `${settings.join("\n")}\n`);
  return {
    PATH: process.env["PATH"],
    HOME: place("home"),
    ERL_EPMD_PORT: `${epmdPort}`,
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: node,
    RABBITMQ_DIST_PORT: `${distributionPort}`,
    RABBITMQ_CONF_ENV_FILE: place("env.conf"),
    RABBITMQ_CONFIG_FILE: place("rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: place("enabled_plugins"),
    RABBITMQ_MNESIA_BASE: place("data"),
    RABBITMQ_LOG_BASE: place("log"),
    // Without a shell in between, so that a signal reaches the node itself.
    RABBITMQ_ALLOW_INPUT: "1",
    RABBITMQ_SERVER_START_ARGS: "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
  };
}
