import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { methodsOf, publicExports } from "./fuzz/api-surface.ts";
import { CLI_TARGETS, COMMANDS } from "./fuzz/cli-target.ts";
import { DECODER_TARGETS } from "./fuzz/decoder-targets.ts";
import { DISPATCHER_TARGETS } from "./fuzz/dispatcher-target.ts";
import { EXPORT_TARGETS } from "./fuzz/export-targets.ts";
import { MAILBOX_TARGETS } from "./fuzz/mailbox-target.ts";
import { METHOD_FAMILIES, METHOD_TARGETS } from "./fuzz/method-targets.ts";
import { REDIS_TARGETS } from "./fuzz/redis-targets.ts";
import { RESTORE_TARGETS } from "./fuzz/restore-target.ts";
import { STORE_TARGETS } from "./fuzz/store-target.ts";
import type { Target } from "./fuzz/target.ts";

/** `npm run fuzz` runs hundreds of times as many, from another seed each time. */
const SEED = 20_261_129;
const DECODER_CASES = 3_000;
/** Of frames, as many as it takes to see that the generator reaches everything. */
const FRAME_CASES = 18_000;

/** They take a test's own framework, and are run as tests by every engine. */
const NOT_FED = ["./testing brokerSuite", "./testing engineSuite", "./testing storeSuite"];

const folder = mkdtempSync(join(tmpdir(), "yardmaster-fuzz-"));
const before = process.cwd();

beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

describe("what reads bytes", () => {
  for (const one of DECODER_TARGETS) {
    it(`takes or refuses ${one.what}`, async () => {
      const cases = one.what === "frames" ? FRAME_CASES : Math.ceil(DECODER_CASES * one.weight);
      const endings = await one.run(cases, SEED);
      if (one.what !== "frames") return;
      // The generator is no good if all its frames fall at the first check.
      expect(endings.share("taken")).toBeGreaterThan(0.1);
      expect(endings.share("taken")).toBeLessThan(0.5);
      expect(endings.refusals).toBeGreaterThan(60);
      expect(endings.most(1)[0]?.[1]).toBeLessThan(40);
    });
  }
});

describe("what stands behind it", () => {
  const targets: readonly (readonly [Target, number])[] = [
    ...DISPATCHER_TARGETS.map((one) => [one, 300] as const),
    ...MAILBOX_TARGETS.map((one) => [one, 100] as const),
    ...RESTORE_TARGETS.map((one) => [one, 2_000] as const),
    ...REDIS_TARGETS.map((one) => [one, 1_000] as const),
    ...STORE_TARGETS.map((one) => [one, 100] as const),
    ...CLI_TARGETS.map((one) => [one, 300] as const),
  ];
  for (const [one, cases] of targets) {
    it(`bears anything in ${one.what}`, async () => {
      const endings = await one.run(cases, SEED);
      expect(endings.most(1)).not.toEqual([]);
    });
  }
});

describe("the command line", () => {
  it("is fed with each command that ends by itself, and names those that do not", () => {
    const all = createProgram(() => undefined).commands.map((command) => command.name());
    const fed = new Set(COMMANDS.fed.map((path) => path.split(" ")[0] ?? ""));
    expect([...fed, ...COMMANDS.unending].filter((name) => name !== "").sort()).toEqual(all.sort());
    for (const path of ["graph show", "bulk cancel", "queues set", "schedule run", "shutdown", "completion"])
      expect(COMMANDS.fed).toContain(path);
  });
});

describe("the public API", () => {
  it("has a generator for each of its exports", async () => {
    const paths = (await publicExports()).map(({ path }) => path);
    expect(paths.toSorted()).toEqual([...Object.keys(EXPORT_TARGETS), ...NOT_FED].sort());
  });

  it.each(Object.entries(METHOD_FAMILIES))("has a generator for each method of %s", (owner, family) => {
    const fed = new Set(family.targets.map(({ what }) => what.replace(`${owner}.`, "")));
    expect([...fed].sort()).toEqual(methodsOf(family.type, family.hidden));
  });

  for (const one of [...Object.values(EXPORT_TARGETS), ...METHOD_TARGETS]) {
    it(`takes anything or refuses it: ${one.what}`, async () => {
      const endings = await one.run(60, SEED);
      expect(endings.most(1)).not.toEqual([]);
    });
  }
});
