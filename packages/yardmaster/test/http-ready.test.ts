import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startRedis } from "../../../servers/redis.ts";
import { createToken, type HttpServer, hashToken, startHttp } from "../src/http.ts";
import { connect, startDispatcher, type Yard } from "../src/index.ts";
import { serverTests } from "./server-tests.ts";

const PATIENCE = { timeout: 60_000 };

await serverTests("/readyz on Redis", startRedis, (redis) => {
  let url: string;
  let yard: Yard;
  const servers: HttpServer[] = [];

  beforeEach(async () => {
    url = redis.yardUrl();
    yard = await connect(url);
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    await yard.close();
  });

  async function serve(dispatches: boolean): Promise<HttpServer> {
    const tokens = [{ role: "viewer", sha256: hashToken(createToken()) }] as const;
    const server = await startHttp(yard, { port: 0, tokens, dispatches });
    servers.push(server);
    return server;
  }

  /** What it answers by the time that it has looked again. */
  async function becomes(server: HttpServer, status: number): Promise<void> {
    await vi.waitFor(async () => {
      expect((await fetch(`${server.url}/readyz`)).status).toBe(status);
    }, PATIENCE);
  }

  describe("/readyz", () => {
    it("is 503 for as long as the engine does not answer", async () => {
      const server = await serve(false);
      await becomes(server, 200);
      await redis.kill();
      await becomes(server, 503);
      await redis.start();
      await becomes(server, 200);
    });

    it("where a dispatcher runs beside it, is 503 unless each shard is held", async () => {
      const server = await serve(true);
      await becomes(server, 503);
      expect((await fetch(`${(await serve(false)).url}/readyz`)).status).toBe(200);
      const dispatcher = await startDispatcher({ url });
      await becomes(server, 200);
      await dispatcher.close();
      await becomes(server, 503);
    });
  });
});
