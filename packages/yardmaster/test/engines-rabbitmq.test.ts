import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import { brokerSuite } from "../src/testing/broker-suite.ts";
import { engineSuite } from "../src/testing/engine-suite.ts";
import { serverTests } from "./server-tests.ts";
import { urlYard } from "./url-yard.ts";

await serverTests("RabbitMQ", startRabbitMq, (server) => {
  const under = {
    name: "RabbitMQ and SQLite",
    open: async () => {
      const folder = mkdtempSync(join(tmpdir(), "yardmaster-"));
      const address = { broker: server.yardUrl(), store: `sqlite:${join(folder, "yard.db")}` };
      return urlYard(address, async () => rmSync(folder, { recursive: true }));
    },
  };
  brokerSuite(under, { describe, it, expect });
  engineSuite(under, { describe, it, expect });
});
