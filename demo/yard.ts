import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect, startDispatcher, startWorker, YardmasterError } from "yardmaster";
import { createToken, hashToken, startHttp } from "yardmaster/http";
import { YardTraffic } from "./yard-traffic.ts";
import { handlers } from "./yard-work.ts";

/*
 * A yard with work going on and its dashboard, to look at and to play with: a dispatcher, three workers and a client
 * in this process, on an SQLite file in a folder that goes with it.
 */
const DEFAULT_PORT = "4400";
const USAGE = "npm run yard -- [--port NUMBER]   (0 for any free one)";
const CLOSE = { timeoutMs: 3_000 } as const;
const WORKERS = [
  { slots: 4, labels: { zone: "eu" } },
  { slots: 6, labels: { zone: "us" } },
  { slots: 8, labels: { zone: "eu", gpu: "yes" } },
] as const;

type Close = () => Promise<unknown>;

/** Opens everything, and writes down how to close it, so that a failure half way closes what is open. */
async function open(url: string, port: number, closing: Close[]): Promise<void> {
  const dispatcher = await startDispatcher({ url });
  closing.push(() => dispatcher.close(CLOSE));
  for (const worker of WORKERS) {
    const running = await startWorker({ url, handlers, graceMs: 500, ...worker });
    closing.push(() => running.close(CLOSE));
  }
  const yard = await connect(url);
  closing.push(() => yard.close(CLOSE));
  const token = createToken();
  const server = await startHttp(yard, { port, tokens: [{ role: "admin", sha256: hashToken(token) }] });
  closing.push(() => server.close(CLOSE));
  const traffic = await YardTraffic.start(yard);
  closing.push(() => traffic.stop());
  console.log(`Dashboard: ${server.url}/#token=${token}`);
  console.log(`The same in another terminal: npx yardmaster top --url '${url}'`);
  console.log("Ctrl-C ends it, and nothing is left.");
}

/** Resolves when somebody has seen enough. */
function enough(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

async function main(port: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-yard-"));
  const asked = enough();
  const closing: Close[] = [];
  try {
    await open(`sqlite:${join(folder, "yard.db")}?durability=os`, port, closing);
    await asked;
  } finally {
    for (const close of closing.reverse()) await close();
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  const { port } = parseArgs({ options: { port: { type: "string", default: DEFAULT_PORT } } }).values;
  await main(Number(port));
} catch (error) {
  const isExplained = error instanceof YardmasterError || error instanceof TypeError;
  console.error(isExplained ? `${error.message}\n${USAGE}` : error);
  process.exitCode = isExplained ? 2 : 1;
}
