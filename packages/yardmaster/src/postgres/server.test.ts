import { describe, expect, it } from "vitest";
import { failureOf } from "../testing/conformance.ts";
import type { Row } from "./driver.ts";
import { readServer, type ServerFacts } from "./server.ts";

const SETTINGS = { number: "150008", version: "15.8 (Debian)", isStandby: "f", commit: "on", fsync: "on" };

function read(given: Partial<typeof SETTINGS>, pages = "on", standbys = ""): Promise<ServerFacts> {
  const { number, version, isStandby, commit, fsync } = { ...SETTINGS, ...given };
  const rows: readonly Row[] = [[number, version, isStandby, commit, fsync, pages, standbys]];
  return readServer({ run: async () => rows }, { where: "db:5432" });
}

describe("a PostgreSQL server", () => {
  it("that is too old is refused with what is needed", async () => {
    const failure = await failureOf(read({ number: "120022", version: "12.22" }));
    expect(failure).toMatchObject({ code: "ENGINE_DENIED", retryable: false });
    expect(failure?.message).toBe("PostgreSQL at db:5432 is version 12.22; Yardmaster needs 13 or newer.");
  });

  it("that is a standby is tried again, as it may become the primary", async () => {
    expect(await failureOf(read({ isStandby: "t" }))).toMatchObject({
      code: "STORE_UNAVAILABLE",
      retryable: true,
    });
  });

  it("is taken from version 13 on, with what its settings give", async () => {
    expect(await read({ number: "130000", version: "13.0" })).toEqual({
      version: "13.0",
      durability: expect.stringContaining("survives a power cut"),
      warnings: [],
    });
    expect((await read({}, "on", "standby")).durability).toContain("the loss of the primary");
  });

  it("is warned of for each setting that loses what was confirmed", async () => {
    expect((await read({ fsync: "off" })).warnings).toEqual([expect.stringContaining("fsync is off")]);
    expect((await read({ commit: "off" })).warnings).toEqual([
      expect.stringContaining("synchronous_commit is off"),
    ]);
    expect((await read({}, "off")).warnings).toEqual([expect.stringContaining("full_page_writes is off")]);
  });
});
