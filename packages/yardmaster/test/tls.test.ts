import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import { openBroker, openEngine } from "../src/connect.ts";
import { failureOf } from "../src/testing/conformance.ts";
import { inserted, loadedIds, owner, sampleTask, taskId } from "../src/testing/sample-tasks.ts";
import { serverTests } from "./server-tests.ts";

/** What an engine says that does not trust the server's certificate. */
async function expectUntrusted(opening: Promise<unknown>): Promise<void> {
  const failure = await failureOf(opening);
  expect(failure).toMatchObject({ code: "ENGINE_DENIED", retryable: false });
  expect(failure?.message).toMatch(/certificate|TLS/i);
  expect(failure?.message).not.toMatch(/\n/);
}

await serverTests(
  "PostgreSQL with TLS",
  () => startPostgres({ isTls: true }),
  (server) => {
    const at = (rest: string): string => `postgres://postgres@127.0.0.1:${server.port}/postgres?${rest}`;

    describe("PostgreSQL over TLS", () => {
      it("is reached with the authority that it has its certificate from", async () => {
        const authority = encodeURIComponent(join(server.folder, "ca.crt"));
        const engine = await openEngine(at(`yard=tls&sslmode=verify-full&sslrootcert=${authority}`));
        try {
          const commit = await owner(engine.store);
          await commit(inserted(sampleTask(1)));
          expect(await loadedIds(engine.store)).toEqual([taskId(1)]);
        } finally {
          await engine.close({ timeoutMs: 1_000 });
        }
      });

      it("is not trusted without", () => expectUntrusted(openEngine(at("yard=tls&sslmode=verify-full"))));
    });
  },
);

await serverTests(
  "RabbitMQ with TLS",
  () => startRabbitMq({ isTls: true }),
  (server) => {
    const url = (): string => `amqps://${server.tlsAddress}?yard=tls`;

    describe("RabbitMQ over TLS", () => {
      it("is reached with the authority that it has its certificate from", async () => {
        // Node reads its additional authorities as it starts.
        const connector = pathToFileURL(join(import.meta.dirname, "../src/connect.ts")).href;
        const program = `const { openBroker } = await import(${JSON.stringify(connector)});
          const half = await openBroker(${JSON.stringify(url())});
          await half.broker.declare("lane", { durable: true });
          console.log(await half.broker.send([{ mailbox: "lane", frame: new Uint8Array(9) }]));
          await half.close({ timeoutMs: 1_000 });`;
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ["--no-warnings", "--input-type=module", "--eval", program],
          { env: { ...process.env, NODE_EXTRA_CA_CERTS: server.authorityFile } },
        );
        expect(stdout.trim()).toBe("[ 'confirmed' ]");
      });

      it("is not trusted without", () => expectUntrusted(openBroker(url())));
    });
  },
);
