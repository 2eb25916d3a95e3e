import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../src/client/client.ts";
import { methodsOf, publicExports } from "./fuzz/api-surface.ts";
import { CLI_TARGETS } from "./fuzz/cli-target.ts";
import { DECODER_TARGETS } from "./fuzz/decoder-targets.ts";
import { DISPATCHER_TARGETS } from "./fuzz/dispatcher-target.ts";
import { CLIENT_TARGETS, EXPORT_TARGETS } from "./fuzz/export-targets.ts";
import { MAILBOX_TARGETS } from "./fuzz/mailbox-target.ts";
import { RESTORE_TARGETS } from "./fuzz/restore-target.ts";
import { share, type Target } from "./fuzz/target.ts";

/** `npm run fuzz` runs a thousand times as many, from another seed each time. */
const SEED = 20_261_129;
const DECODER_CASES = 30_000;

/** Suites and a yard that take a test's own parts, and a class that only `connect` makes. */
const NOT_FED = [
  "./testing brokerSuite",
  "./testing engineSuite",
  "./testing storeSuite",
  "./testing createTestYard",
  "./testing TestYard",
  ". Yard",
];
/** Of a client, for those within the package. */
const NOT_PUBLIC = new Set(["post", "place", "checkPlace", "nowFor", "shut", "open", "close"]);

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
      const endings = await one.run(share(DECODER_TARGETS, one, DECODER_CASES), SEED);
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
    ...CLI_TARGETS.map((one) => [one, 300] as const),
  ];
  for (const [one, cases] of targets) {
    it(`bears anything in ${one.what}`, async () => {
      const endings = await one.run(cases, SEED);
      expect(endings.most(1)).not.toEqual([]);
    });
  }
});

describe("the public API", () => {
  it("has a generator for each of its exports", async () => {
    const paths = (await publicExports()).map(({ path }) => path);
    expect(paths.toSorted()).toEqual([...Object.keys(EXPORT_TARGETS), ...NOT_FED].sort());
  });

  it("has a generator for each method of a client", () => {
    const fed = new Set(CLIENT_TARGETS.map(({ what }) => what.replace("Client.", "")));
    expect([...fed].sort()).toEqual(methodsOf(Client, NOT_PUBLIC));
  });

  for (const one of [...Object.values(EXPORT_TARGETS), ...CLIENT_TARGETS]) {
    it(`takes anything or refuses it: ${one.what}`, async () => {
      const endings = await one.run(60, SEED);
      expect(endings.most(1)).not.toEqual([]);
    });
  }
});
