/** For tests: a yard in memory with a fake clock, and the suites that every engine must pass. */
export { createTestYard, TestYard, type TestYardOptions } from "./testing/test-yard.ts";
