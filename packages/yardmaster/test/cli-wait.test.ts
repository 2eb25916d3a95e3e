import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import { startRedis } from "../../../servers/redis.ts";
import type { Server } from "../../../servers/server.ts";
import { CliProcess } from "./cli-process.ts";
import { serverTests } from "./server-tests.ts";

/** How the command line names a yard on the server; a broker has a file beside it. */
type Target = (server: Server) => readonly string[];

const ENGINES: readonly [string, () => Promise<Server>, Target][] = [
  ["Redis", () => startRedis({ password: "top-secret" }), (server) => ["--url", server.yardUrl()]],
  ["PostgreSQL", () => startPostgres(), (server) => ["--url", server.yardUrl()]],
  [
    "RabbitMQ",
    () => startRabbitMq(),
    (server) => ["--broker", server.yardUrl().replace("//", "//guest:guest@"), "--store", "sqlite:./yard.db"],
  ],
];

for (const [name, start, target] of ENGINES) {
  await serverTests(`${name} that is not there yet`, start, (server) => {
    describe(`a dispatcher on ${name} that is not there yet`, () => {
      it("says so, and gives up when its time is over", async () => {
        await server.kill();
        const { code, stderr } = await inFolder((folder) => run(folder, "5").ended);
        expect(code).toBe(4);
        expect(stderr).toMatch(
          new RegExp(`"message":"engine: ${name} at 127\\.0\\.0\\.1:\\d+.*Trying again`, "m"),
        );
        expect(stderr).toMatch(/UNAVAILABLE: .* Gave up after 5 s/);
        expect(stderr).not.toMatch(/secret|guest/);
        await server.start();
      });

      it("goes to work when it comes", async () => {
        await server.kill();
        await inFolder(async (folder) => {
          const dispatcher = run(folder, "60");
          await dispatcher.line(/Trying again/);
          await server.start();
          await dispatcher.line(/owns|owned/);
          dispatcher.kill("SIGTERM");
          expect((await dispatcher.ended).code).toBe(0);
        });
      });
    });

    const run = (folder: string, seconds: string): CliProcess =>
      new CliProcess(["dispatcher", ...target(server), "--wait-for-engine", seconds], folder);
  });
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-wait-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
