import { connect as connectTcp } from "node:net";
import { ROLES, type Role } from "../src/http/api.ts";
import { createToken, type HttpOptions, type HttpServer, hashToken, startHttp } from "../src/http.ts";
import { defineTask, startYard, type Yard } from "../src/index.ts";
import { createHandlers } from "../src/worker.ts";

const echo = defineTask<unknown, unknown>({ name: "echo" });
const boom = defineTask<unknown, never>({ name: "boom" });
const hold = defineTask<unknown, unknown>({ name: "hold" });

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look into it as they expect it.
  readonly body: Record<string, never>;
}

/** A whole yard, in memory unless a URL is given, with a server in front, and a token of each role. */
export class HttpYard {
  readonly yard: Yard;
  readonly server: HttpServer;
  readonly tokens: Readonly<Record<Role, string>>;
  /** Lets the tasks named `hold` end. */
  readonly release: () => void;
  readonly defects: string[] = [];

  private constructor(
    yard: Yard,
    server: HttpServer,
    tokens: Readonly<Record<Role, string>>,
    release: () => void,
    defects: string[],
  ) {
    this.yard = yard;
    this.server = server;
    this.tokens = tokens;
    this.release = release;
    this.defects = defects;
  }

  static async open(options: Partial<HttpOptions> = {}, url = `memory:${createToken()}`): Promise<HttpYard> {
    const gate = Promise.withResolvers<void>();
    const { on } = createHandlers();
    const yard = await startYard({
      url,
      labels: { zone: "eu" },
      handlers: [
        on(echo, ({ input }) => input ?? null),
        on(boom, ({ input }) => {
          throw new Error(String(input));
        }),
        on(hold, async ({ input, signal, progress }) => {
          progress(0.5, "half");
          const aborted = new Promise((_, reject) =>
            signal.addEventListener("abort", reject, { once: true }),
          );
          await Promise.race([gate.promise, aborted]);
          return input;
        }),
      ],
    });
    const tokens = Object.fromEntries(ROLES.map((role) => [role, createToken()])) as Record<Role, string>;
    const defects: string[] = [];
    const server = await startHttp(yard, {
      port: 0,
      tokens: ROLES.map((role) => ({ role, sha256: hashToken(tokens[role]) })),
      report: (what, error) => defects.push(`${what}: ${String(error)}`),
      ...options,
    });
    return new HttpYard(yard, server, tokens, gate.resolve, defects);
  }

  async close(): Promise<void> {
    this.release();
    await this.server.close();
    await this.yard.close();
  }

  get(path: string, role: Role = "admin"): Promise<Answer> {
    return this.call("GET", path, undefined, { authorization: `Bearer ${this.tokens[role]}` });
  }

  post(path: string, body: unknown = {}, role: Role = "admin"): Promise<Answer> {
    return this.call("POST", path, JSON.stringify(body), { authorization: `Bearer ${this.tokens[role]}` });
  }

  async call(
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const json = body === undefined ? {} : { "content-type": "application/json" };
    const response = await fetch(this.server.url + path, {
      method,
      headers: { ...json, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parsed(text) };
  }

  /** Sends bytes as they are and answers with all that comes back until the server ends the connection. */
  raw(...parts: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp(this.server.port, "127.0.0.1");
      let text = "";
      socket.setEncoding("latin1");
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("close", () => resolve(text));
      socket.on("error", (error: NodeJS.ErrnoException) => {
        // The server may end the connection before it has taken everything.
        if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
      });
      for (const part of parts) socket.write(part, "latin1");
    });
  }

  /** The head of a request with a good token, for `raw`. */
  head(line: string, ...headers: readonly string[]): string {
    const all = [
      `Host: 127.0.0.1:${this.server.port}`,
      `Authorization: Bearer ${this.tokens.admin}`,
      ...headers,
    ];
    return `${line} HTTP/1.1\r\n${all.join("\r\n")}\r\n\r\n`;
  }
}

function parsed(text: string): Record<string, never> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
