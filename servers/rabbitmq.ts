import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { connect } from "amqplib";
import { findProgram, freePort, type Server, ServerProcess } from "./server.ts";

const INSTALL = "apt-get install rabbitmq-server";
/** Debian's program in PATH changes the user and forgets the environment; this one does neither. */
const DEBIAN_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server";

export interface RabbitServer extends Server {
  /** Where it listens, such as "127.0.0.1:40123". */
  readonly address: string;
  /** Runs rabbitmqctl on this node and answers what it wrote. */
  control(...args: readonly string[]): Promise<string>;
}

/**
 * Starts a private RabbitMQ node with a name, cookie, folder and port mapper (epmd) of its own; in about 5 s. Throws
 * ServerMissing.
 */
export async function startRabbitMq(): Promise<RabbitServer> {
  const program = existsSync(DEBIAN_PROGRAM) ? DEBIAN_PROGRAM : findProgram("rabbitmq-server", INSTALL);
  const epmdProgram = findProgram("epmd", INSTALL);
  const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-rabbitmq-"));
  const node = `ym-${randomBytes(4).toString("hex")}@localhost`;
  const env = environmentOf(folder, { node, port, distributionPort, epmdPort });
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
    yardUrl: () => {
      yards += 1;
      return `amqp://127.0.0.1:${port}?yard=yard${yards}`;
    },
    control,
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
    distributionPort,
    epmdPort,
  }: Record<"port" | "distributionPort" | "epmdPort", number> & { node: string },
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
