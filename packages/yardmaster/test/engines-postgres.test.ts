import { describe, expect, it } from "vitest";
import { startPostgres } from "../../../servers/postgres.ts";
import { brokerSuite } from "../src/testing/broker-suite.ts";
import { engineSuite } from "../src/testing/engine-suite.ts";
import { storeSuite } from "../src/testing/store-suite.ts";
import { serverTests } from "./server-tests.ts";
import { urlYard } from "./url-yard.ts";

await serverTests("PostgreSQL", startPostgres, (server) => {
  const under = {
    name: "PostgreSQL",
    open: async () => urlYard(server.yardUrl(), async () => undefined),
  };
  for (const suite of [brokerSuite, storeSuite, engineSuite]) suite(under, { describe, it, expect });
});
