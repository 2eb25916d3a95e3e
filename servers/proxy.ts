import { once } from "node:events";
import { connect, createServer, type Server as Listener, type Socket } from "node:net";

export type Direction = "toServer" | "toClient";
export type Side = "client" | "server";

/** What happens to the bytes of one direction. What was dropped is missing for good: cut before passing on again. */
export type Behaviour =
  | { readonly type: "pass" }
  /** Everything arrives so much later. */
  | { readonly type: "delay"; readonly ms: number }
  /** Everything is accepted and dropped, the end of the stream too. */
  | { readonly type: "drop" }
  /** Everything arrives in slices of so many bytes with a pause after each. */
  | { readonly type: "slice"; readonly bytes: number; readonly pauseMs: number };

/** A TCP proxy in front of a server, for faults of the network between a program and its engine. */
export class FaultProxy {
  readonly port: number;
  readonly #listener: Listener;
  readonly #target: number;
  readonly #links = new Set<Link>();
  readonly #behaviours: Record<Direction, Behaviour> = { toServer: PASS, toClient: PASS };
  #isRefusing = false;
  #trap: Trap | null = null;

  private constructor(listener: Listener, port: number, target: number) {
    this.#listener = listener;
    this.port = port;
    this.#target = target;
    listener.on("connection", (client: Socket) => this.#accept(client));
  }

  /** Listens on a free port of 127.0.0.1 for what it passes to the `target` port there. */
  static async start(target: number): Promise<FaultProxy> {
    const listener = createServer({ allowHalfOpen: true });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const address = listener.address();
    if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
    return new FaultProxy(listener, address.port, target);
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#links.size;
  }

  /** From now on, on present and new connections. */
  set(direction: Direction, behaviour: Behaviour): void {
    this.#behaviours[direction] = behaviour;
  }

  /** Ends all connections on both sides: at once (RST), or in order (FIN). New ones are served. */
  cut(how: "reset" | "end"): void {
    for (const link of this.#links) link.cut(how);
  }

  /** Ends one side of all connections and tells the other nothing: it goes on in the belief to be connected. */
  abandon(side: Side): void {
    for (const link of this.#links) link.abandon(side);
  }

  /** Whether new connections are reset as soon as they are made. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /**
   * Passes the next bytes of a client for which `matches`, swallows the server's answer to them and resets the
   * connection: the server has acted, and the client cannot know. Resolves when that has happened.
   */
  cutBeforeReply(matches: (bytes: Buffer) => boolean = () => true): Promise<void> {
    return new Promise((resolve) => {
      this.#trap = { matches, resolve };
    });
  }

  /** Cuts everything and listens no more. */
  async close(): Promise<void> {
    this.cut("reset");
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #accept(client: Socket): void {
    if (this.#isRefusing) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true });
    const link = new Link(client, server, {
      behaviour: (direction) => this.#behaviours[direction],
      springs: (bytes) => this.#springs(bytes),
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }

  #springs(bytes: Buffer): Trap | null {
    const trap = this.#trap;
    if (trap === null || !trap.matches(bytes)) return null;
    this.#trap = null;
    return trap;
  }
}

interface Trap {
  matches(bytes: Buffer): boolean;
  resolve(): void;
}

interface Rules {
  behaviour(direction: Direction): Behaviour;
  /** The trap that these bytes of a client set off. */
  springs(bytes: Buffer): Trap | null;
  closed(): void;
}

/** One connection: a socket to the client and one to the server. */
class Link {
  readonly #sockets: Readonly<Record<Side, Socket>>;
  readonly #rules: Rules;
  /** Bytes on their way, in order, by the time that they take. */
  readonly #ways: Record<Direction, Promise<void>> = { toServer: DONE, toClient: DONE };
  #abandoned: Side | null = null;
  #sprung: Trap | null = null;

  constructor(client: Socket, server: Socket, rules: Rules) {
    this.#sockets = { client, server };
    this.#rules = rules;
    this.#join("client", "toServer", "server");
    this.#join("server", "toClient", "client");
  }

  cut(how: "reset" | "end"): void {
    for (const socket of Object.values(this.#sockets)) {
      if (how === "reset") socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }

  abandon(side: Side): void {
    this.#abandoned = side;
    this.#sockets[side].destroy();
  }

  #join(from: Side, direction: Direction, to: Side): void {
    const source = this.#sockets[from];
    source.setNoDelay(true);
    source.on("data", (bytes: Buffer) => this.#arrived(bytes, direction, to));
    source.on("end", () => this.#then(direction, () => this.#end(direction, to)));
    // What went wrong on one side is told to the other by the end of its connection.
    source.on("error", () => undefined);
    source.once("close", (hadError) => {
      if (this.#abandoned !== from) {
        if (hadError) this.#sockets[to].resetAndDestroy();
        else this.#then(direction, () => this.#sockets[to].destroySoon());
      }
      if (this.#sockets[to].closed || this.#sockets[to].destroyed) this.#rules.closed();
    });
  }

  #arrived(bytes: Buffer, direction: Direction, to: Side): void {
    if (direction === "toServer") this.#sprung ??= this.#rules.springs(bytes);
    else if (this.#sprung !== null) {
      this.cut("reset");
      this.#sprung.resolve();
      return;
    }
    const arrivedAt = performance.now();
    this.#then(direction, () => this.#pass(bytes, arrivedAt, direction, to));
  }

  #then(direction: Direction, next: () => void | Promise<void>): void {
    this.#ways[direction] = this.#ways[direction].then(next);
  }

  async #pass(bytes: Buffer, arrivedAt: number, direction: Direction, to: Side): Promise<void> {
    const socket = this.#sockets[to];
    const behaviour = this.#rules.behaviour(direction);
    if (behaviour.type === "drop") return;
    if (behaviour.type === "delay") await pause(Math.max(1, arrivedAt + behaviour.ms - performance.now()));
    const step = behaviour.type === "slice" ? behaviour.bytes : bytes.length;
    for (let at = 0; at < bytes.length && socket.writable; at += step) {
      socket.write(bytes.subarray(at, at + step));
      if (behaviour.type === "slice") await pause(behaviour.pauseMs);
    }
  }

  #end(direction: Direction, to: Side): void {
    if (this.#rules.behaviour(direction).type !== "drop") this.#sockets[to].end();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const PASS: Behaviour = { type: "pass" };
const DONE: Promise<void> = Promise.resolve();
