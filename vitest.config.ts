import { defineConfig, type ViteUserConfig } from "vitest/config";
import { LateFiles } from "./packages/yardmaster/test/late-files.ts";

/** Continuous integration counts the tests from this file. */
const reportFile = process.env["YARDMASTER_TEST_REPORT"];

/** Ten times what the slowest file takes. */
const LATE_MS = 900_000;

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 30_000,
    allowOnly: false,
    reporters: reportFile
      ? ["default", new LateFiles(LATE_MS, `${reportFile}.late`), ["json", { outputFile: reportFile }]]
      : ["default"],
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      exclude: ["**/*.test.ts"],
    },
  },
});

export default config;
