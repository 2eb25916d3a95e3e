/** For tests: a yard in memory with a fake clock, and the suites that every engine must pass. */
export { brokerSuite } from "./testing/broker-suite.ts";
export type { EngineUnderTest, OtherProcess, TestApi, YardUnderTest } from "./testing/conformance.ts";
export { engineSuite } from "./testing/engine-suite.ts";
export type { Fact } from "./testing/fact.ts";
export { type Ending, HistoryChecker, type HistoryLimits, type Violation } from "./testing/history.ts";
export { checkHistory, type Verdict } from "./testing/history-file.ts";
export { storeSuite } from "./testing/store-suite.ts";
export { createTestYard, TestYard, type TestYardOptions } from "./testing/test-yard.ts";
