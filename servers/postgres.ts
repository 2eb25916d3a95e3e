import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { makeCertificates } from "./certificates.ts";
import { type Footprint, findProgram, freePort, onFreePorts, type Server, ServerProcess } from "./server.ts";

export interface PostgresServer extends Server {
  readonly port: number;
  /** Its data, and the folder of its socket. */
  readonly folder: string;
}

export interface PostgresOptions {
  /** Where its folder is made; default the system's for temporary files. */
  readonly parent?: string | undefined;
  /** Lines for postgresql.conf. */
  readonly settings?: readonly string[];
  /** Lines for pg_hba.conf, which count before its own. */
  readonly access?: readonly string[];
  /** Also speaks TLS, with a certificate made for 127.0.0.1 by the authority in `ca.crt` of its folder. */
  readonly isTls?: boolean;
}

const INSTALL = "apt-get install postgresql";

/** Starts a private PostgreSQL: everybody on this machine is its superuser "postgres", and nobody else gets in. */
export function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  return onFreePorts(() => startOnce(options));
}

async function startOnce(options: PostgresOptions): Promise<PostgresServer> {
  const bin = programFolders();
  const initdb = findProgram("initdb", INSTALL, bin);
  const program = findProgram("postgres", INSTALL, bin);
  const folder = mkdtempSync(join(options.parent ?? tmpdir(), "yard-pg-"));
  const user = unprivileged();
  if (user !== null) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const port = await freePort();
  await run(
    initdb,
    ["-D", data, "-N", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C"],
    folder,
    user,
  );
  const settings = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${folder}'`,
    "max_connections = 200",
    ...(options.settings ?? []),
  ];
  if (options.isTls === true) {
    await makeCertificates(folder);
    if (user !== null) chownSync(join(folder, "server.key"), user.uid, user.gid);
    settings.push(
      "ssl = on",
      `ssl_cert_file = '${folder}/server.crt'`,
      `ssl_key_file = '${folder}/server.key'`,
    );
  }
  appendFileSync(join(data, "postgresql.conf"), `${settings.join("\n")}\n`);

  const access = join(data, "pg_hba.conf");
  writeFileSync(access, [...(options.access ?? []), readFileSync(access, "utf8")].join("\n"));

  let process: ServerProcess;
  let yards = 0;
  const start = async (): Promise<void> => {
    process = new ServerProcess(program, ["-D", data], { cwd: folder, ...user });
    await process.ready(() => accepts(port));
  };
  const kill = async (): Promise<void> => {
    const { pid } = process.child;
    if (pid === undefined) return;
    // Stopped first, so that it starts nothing behind our back and does not tidy up after the first of them.
    process.child.kill("SIGSTOP");
    const family = childrenOf(pid);
    await process.end("SIGKILL");
    for (const child of family) signal(child, "SIGKILL");
    while (family.some(isAlive)) await new Promise((done) => setTimeout(done, 2));
  };
  const each = (name: NodeJS.Signals): void => {
    const { pid } = process.child;
    if (pid === undefined) return;
    for (const one of [pid, ...childrenOf(pid)]) signal(one, name);
  };
  await start();
  return {
    name: "PostgreSQL",
    port,
    folder,
    yardUrl: () => {
      yards += 1;
      return `postgres://postgres@127.0.0.1:${port}/postgres?yard=yard_${yards}`;
    },
    start,
    kill,
    connections: () => connectionsTo(`postgres://postgres@127.0.0.1:${port}/postgres`),
    footprint: () => footprintOf(`postgres://postgres@127.0.0.1:${port}/postgres`),
    freeze: () => each("SIGSTOP"),
    thaw: () => each("SIGCONT"),
    stop: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The question's own is left out. */
async function connectionsTo(url: string): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query(
      "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    return Number(rows[0].count);
  } finally {
    await client.end();
  }
}

/** Counts rows one by one: for yards that keep little. */
async function footprintOf(url: string): Promise<Footprint> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows: tables } = await client.query(
      "SELECT format('%I.%I', schemaname, relname) AS name, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables",
    );
    let rows = 0;
    for (const { name } of tables)
      rows += Number((await client.query(`SELECT count(*) FROM ${name}`)).rows[0].count);
    return { rows, tableBytes: tables.reduce((sum, { bytes }) => sum + Number(bytes), 0) };
  } finally {
    await client.end();
  }
}

/** Debian keeps the server's programs out of PATH; the newest version first. */
function programFolders(): string[] {
  const versions = "/usr/lib/postgresql";
  if (!existsSync(versions)) return [];
  const found = readdirSync(versions).sort((a, b) => Number(b) - Number(a));
  return found.map((version) => join(versions, version, "bin"));
}

/** PostgreSQL refuses to run as root. Null when we are not. */
function unprivileged(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.");
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  user: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  const child = spawn(program, args, { cwd, ...user, stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (text: Buffer) => {
    output += text.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${program} failed: ${output}`);
}

/** Whether it lets us in. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write(startupMessage());
    const [answer] = await once(socket, "data");
    // "R": it asks for no password and lets us in. "E" while it starts or recovers.
    return Buffer.isBuffer(answer) && answer[0] === 0x52;
  } finally {
    socket.destroy();
  }
}

function startupMessage(): Buffer {
  const text = Buffer.from("user\0postgres\0database\0postgres\0\0");
  const message = Buffer.alloc(8 + text.length);
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(196_608, 4);
  message.set(text, 8);
  return message;
}

/** Linux only, as the tests' machines are. */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
}

function parentOf(pid: number): number {
  return Number(statusOf(pid)[1] ?? 0);
}

/** One that has ended stays until its parent asks for it, which whoever adopts orphans may never do. */
function isAlive(pid: number): boolean {
  const [state = "Z"] = statusOf(pid);
  return state !== "Z";
}

/** What the system says of a process, from its state on; empty when it is gone. */
function statusOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}
