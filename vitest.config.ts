import { defineConfig, type ViteUserConfig } from "vitest/config";
import type { Reporter, TestModule } from "vitest/node";

/** Continuous integration counts the tests from this file. */
const reportFile = process.env["YARDMASTER_TEST_REPORT"];

/** Nothing limits how long a file takes to load, so one that never does is named while the others go on. */
const LATE_MS = 900_000;

class LateFiles implements Reporter {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  onTestModuleQueued({ moduleId }: TestModule): void {
    const tell = (): void => console.error(`${moduleId} has not ended after ${LATE_MS / 60_000} minutes`);
    this.#timers.set(moduleId, setTimeout(tell, LATE_MS).unref());
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    clearTimeout(this.#timers.get(moduleId));
  }
}

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 30_000,
    allowOnly: false,
    reporters: reportFile ? ["default", new LateFiles(), ["json", { outputFile: reportFile }]] : ["default"],
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      exclude: ["**/*.test.ts"],
    },
  },
});

export default config;
