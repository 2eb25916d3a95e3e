import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FaultProxy } from "../../../servers/proxy.ts";

/** A server that answers with what it gets, and remembers it. */
let echo: Server;
let heard: string;
let served: Socket[];
let proxy: FaultProxy;
let clients: Client[];

beforeEach(async () => {
  heard = "";
  served = [];
  clients = [];
  echo = createServer((socket) => {
    served.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      heard += bytes;
      socket.write(bytes);
    });
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const address = echo.address();
  proxy = await FaultProxy.start(typeof address === "object" && address !== null ? address.port : 0);
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await proxy.close();
  for (const socket of served) socket.destroy();
  echo.close();
  await once(echo, "close");
});

describe("the proxy", () => {
  it("passes bytes and ends on", async () => {
    const client = await joined();
    client.socket.write("hello");
    await client.received("hello");
    const end = once(served[0] as Socket, "end");
    client.socket.end();
    await end;
    await client.closed;
    expect(client.error).toBeNull();
    expect(proxy.connections).toBe(0);
  });

  it.each(["toServer", "toClient"] as const)("delays bytes %s and keeps their order", async (direction) => {
    const client = await joined();
    proxy.set(direction, { type: "delay", ms: 60 });
    const sentAt = performance.now();
    client.socket.write("one");
    await client.received("one");
    expect(performance.now() - sentAt).toBeGreaterThan(55);
    client.socket.write("two");
    await client.received("onetwo");
  });

  it("slices what it passes", async () => {
    const client = await joined();
    proxy.set("toClient", { type: "slice", bytes: 1, pauseMs: 2 });
    client.socket.write("abcdef");
    await client.received("abcdef");
    expect(client.chunks.length).toBeGreaterThan(3);
  });

  it("drops what a direction says, while the other goes on", async () => {
    const client = await joined();
    proxy.set("toClient", { type: "drop" });
    const server = served[0] as Socket;
    const arrived = once(server, "data");
    client.socket.write("lost");
    await arrived;
    server.end("lost too");
    proxy.set("toServer", { type: "drop" });
    client.socket.end("never heard");
    const next = await joined();
    proxy.set("toClient", { type: "pass" });
    const [bytes] = await Promise.all([once(next.socket, "data"), served[1]?.write("kept")]);
    expect(String(bytes)).toBe("kept");
    expect([client.text, client.socket.readableEnded, heard]).toEqual(["", false, "lost"]);
  });

  it.each([
    ["reset", "ECONNRESET"],
    ["end", null],
  ] as const)("cuts connections by %s and serves new ones", async (how, error) => {
    const client = await joined();
    proxy.cut(how);
    await client.closed;
    expect(client.error).toBe(error);
    const next = await joined();
    next.socket.write("again");
    await next.received("again");
  });

  it.each(["client", "server"] as const)("abandons the %s and tells the other nothing", async (side) => {
    const client = await joined();
    const server = served[0] as Socket;
    const [gone, stays] = side === "client" ? [client.socket, server] : [server, client.socket];
    const closed = once(gone, "close");
    proxy.abandon(side);
    await closed;
    stays.write("to nobody");
    const other = await joined();
    other.socket.write("x");
    await other.received("x");
    expect([stays.destroyed, stays.readableEnded]).toEqual([false, false]);
  });

  it("refuses connections while told to", async () => {
    proxy.refuse(true);
    const refused = new Client();
    await refused.closed;
    proxy.refuse(false);
    const client = await joined();
    client.socket.write("y");
    await client.received("y");
  });

  it("cuts after the server has acted and before its reply", async () => {
    const [idle, client] = [await joined(), await joined()];
    const cut = proxy.cutBeforeReply((bytes) => bytes.includes("commit"));
    client.socket.write("begin");
    await client.received("begin");
    idle.socket.write("ping");
    await idle.received("ping");
    client.socket.write("commit");
    await Promise.all([cut, client.closed]);
    expect(heard).toContain("commit");
    expect(client.text).toBe("begin");
    expect(client.error).toBe("ECONNRESET");
    idle.socket.write("pong");
    await idle.received("pingpong");
  });
});

/** A connection through the proxy, of which the server knows. */
async function joined(): Promise<Client> {
  const arrives = once(echo, "connection");
  const client = new Client();
  await arrives;
  return client;
}

class Client {
  readonly socket: Socket = connect(proxy.port, "127.0.0.1");
  readonly chunks: string[] = [];
  readonly closed: Promise<unknown>;
  error: string | null = null;

  constructor() {
    clients.push(this);
    this.socket.setNoDelay(true);
    this.socket.on("data", (bytes) => this.chunks.push(String(bytes)));
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? "";
    });
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
  }

  get text(): string {
    return this.chunks.join("");
  }

  async received(text: string): Promise<void> {
    while (this.text !== text) await once(this.socket, "data");
  }
}
