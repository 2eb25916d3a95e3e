import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clockChecks, permissionChecks, versionChecks } from "./doctor-checks.ts";

describe("what doctor looks at", () => {
  it("is the clock, against each dispatcher's, as far as the way allows", () => {
    const checks = clockChecks([
      { shard: 0, aheadMs: 30, withinMs: 2 },
      { shard: 1, aheadMs: -4_000, withinMs: 2 },
      { shard: 2, aheadMs: 1_500, withinMs: 900 },
    ]);
    expect(checks.map(({ advice }) => advice !== null)).toEqual([false, true, false]);
    expect(checks[1]).toMatchObject({ what: "shard 1", found: "4000 ms (± 2) behind its dispatcher's" });
  });

  it("is who may read the yard's file and the tokens", () => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-doctor-"));
    try {
      const file = join(folder, "yard.db");
      writeFileSync(file, "");
      writeFileSync(`${file}.tokens`, "");
      chmodSync(file, 0o640);
      chmodSync(`${file}.tokens`, 0o640);
      const target = { url: `sqlite:${file}?durability=os` };
      const [yard, tokens] = permissionChecks(target);
      expect(yard).toEqual({ check: "permissions", what: file, found: "mode 640", advice: null });
      expect(tokens?.advice).toBe(`chmod 600 ${file}.tokens`);
      chmodSync(file, 0o644);
      expect(permissionChecks(target)[0]?.advice).toContain("chmod o-rwx");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is the version of each engine's driver", () => {
    const pair = { broker: "amqp://user:pw@localhost", store: "redis://localhost" };
    expect(versionChecks({ url: "sqlite:./yard.db" }, "1.2.3").map(({ what }) => what)).toEqual([
      "yardmaster",
      "sqlite",
    ]);
    const checks = versionChecks(pair, "1.2.3");
    expect(checks.map(({ what }) => what)).toEqual(["yardmaster", "amqplib", "@redis/client"]);
    expect(checks.slice(1).every(({ found }) => /^\d+\.\d+\.\d+$/.test(found))).toBe(true);
  });
});
