import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Continuous integration counts the tests from this file. */
const reportFile = process.env["YARDMASTER_TEST_REPORT"];

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 30_000,
    allowOnly: false,
    reporters: reportFile ? ["default", ["json", { outputFile: reportFile }]] : ["default"],
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      exclude: ["**/*.test.ts"],
    },
  },
});

export default config;
