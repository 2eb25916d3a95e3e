import { describe, expect, it } from "vitest";
import { brokerSuite } from "../src/testing/broker-suite.ts";
import { engineSuite } from "../src/testing/engine-suite.ts";
import { storeSuite } from "../src/testing/store-suite.ts";
import { memoryUnderTest } from "./memory-yard.ts";
import { sqliteUnderTest } from "./sqlite-yard.ts";

for (const under of [memoryUnderTest, sqliteUnderTest]) {
  brokerSuite(under, { describe, it, expect });
  storeSuite(under, { describe, it, expect });
  engineSuite(under, { describe, it, expect });
}
