import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { noopInput } from "../payload.ts";
import { BATCH, type RawEngine } from "./limit.ts";

/** What Node.js itself sets: JSON, a hop between sockets, a timer, a promise. */
export async function processLimits(): Promise<RawEngine> {
  const text = JSON.stringify(noopInput(1));
  const input = noopInput(1);
  const echo = await openEcho();
  // What is computed is used, so that it is not optimised away.
  let sink = 0;
  const count = (value: number): void => {
    sink += value;
  };
  return {
    name: `Node.js ${process.versions.node}`,
    measures: [
      { name: "JSON.parse of an input", run: () => many(() => count(JSON.parse(text).n)) },
      {
        name: "JSON.stringify of an input",
        run: () => many(() => count(JSON.stringify(input).length)),
      },
      { name: "awaited promises", run: awaited },
      { name: "loopback round trips of 100 bytes", isRoundTrip: true, run: echo.trip },
    ],
    close: async () => {
      echo.close();
      if (sink < 0) throw new Error("nothing was counted");
    },
  };
}

function many(one: () => void): number {
  for (let index = 0; index < BATCH; index++) one();
  return BATCH;
}

async function awaited(): Promise<number> {
  for (let index = 0; index < BATCH; index++) await null;
  return BATCH;
}

/** A server in a process of its own, and a way to it and back. */
async function openEcho(): Promise<{ trip(): Promise<number>; close(): void }> {
  const child: ChildProcess = fork(import.meta.filename, [ECHO]);
  const [port] = await once(child, "message");
  const socket = connect(Number(port), "127.0.0.1");
  socket.setNoDelay(true);
  await once(socket, "connect");
  const message = Buffer.alloc(100, "x");
  return {
    trip: async () => {
      socket.write(message);
      await once(socket, "data");
      return 1;
    },
    close: () => {
      socket.destroy();
      child.kill();
    },
  };
}

const ECHO = "echo";

if (process.argv[1] === import.meta.filename && process.argv[2] === ECHO) {
  const server = createServer({ noDelay: true }, (socket) => socket.pipe(socket));
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.send?.(typeof address === "object" ? address?.port : 0);
  });
  process.once("disconnect", () => process.exit(0));
}
