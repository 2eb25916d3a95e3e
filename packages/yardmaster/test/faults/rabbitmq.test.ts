import { join } from "node:path";
import { startRabbitMq } from "../../../../servers/rabbitmq.ts";
import { serverTests } from "../server-tests.ts";
import { engineFaults } from "./engine-faults.ts";
import { networkFaults } from "./network-faults.ts";
import { processFaults } from "./process-faults.ts";

await serverTests("RabbitMQ under faults", startRabbitMq, (server) => {
  const address = (folder: string) => ({
    broker: server.yardUrl(),
    store: `sqlite:${join(folder, "yard.db")}`,
  });
  processFaults({ name: "RabbitMQ and SQLite", address: async () => address });
  networkFaults({
    name: "RabbitMQ and SQLite",
    url: () => server.yardUrl(),
    address: (broker) => (folder) => ({ broker, store: `sqlite:${join(folder, "yard.db")}` }),
  });
  engineFaults({
    name: "RabbitMQ and SQLite",
    open: async () => ({ address, servers: [server], stop: async () => undefined }),
  });
});
