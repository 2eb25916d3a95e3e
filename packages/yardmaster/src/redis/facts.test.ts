import { describe, expect, it } from "vitest";
import { failureOf } from "../testing/conformance.ts";
import { parseRedisUrl } from "./address.ts";
import { type Facts, readFacts } from "./facts.ts";

const INFO = { redis_version: "7.0.15", cluster_enabled: "0", aof_enabled: "1", connected_slaves: "0" };

/** What is read of a server that answers so; without settings its user may not read them. */
function read(info: Partial<typeof INFO>, url = "redis://h", settings?: readonly string[]): Promise<Facts> {
  const lines = Object.entries({ ...INFO, ...info }).map(([name, value]) => `${name}:${value}`);
  return readFacts(parseRedisUrl(url), async ([command]) => {
    if (command === "INFO") return Buffer.from(lines.join("\r\n"));
    if (settings === undefined) throw new Error("NOPERM this user has no permissions to run CONFIG");
    return settings.map((text) => Buffer.from(text));
  });
}

describe("a Redis server", () => {
  it("that is too old is refused with what is needed", async () => {
    const failure = await failureOf(read({ redis_version: "6.2.14" }));
    expect(failure).toMatchObject({ code: "ENGINE_DENIED", retryable: false });
    expect(failure?.message).toBe(
      "Redis at h:6379 is version 6.2.14, which is too old: Yardmaster needs 7.0 or newer.",
    );
  });

  it("is refused where the URL takes it for what it is not", async () => {
    const node = await failureOf(read({ cluster_enabled: "1" }));
    expect(node?.message).toContain("add ?cluster=true");
    const single = await failureOf(read({}, "redis://h?cluster=true"));
    expect(single?.message).toContain("leave out cluster=true");
  });

  it("is taken from version 7 on, also by a user that may not read its settings", async () => {
    expect(await read({ redis_version: "7.0.0" }, "redis://h", ["appendfsync", "always"])).toEqual({
      version: "7.0.0",
      durability: expect.stringContaining("survives a power cut"),
      warnings: [],
    });
    expect((await read({})).warnings).toEqual([expect.stringContaining("CONFIG GET")]);
  });

  it("that is of a Cluster is warned of where one master's absence stops all", async () => {
    const node = { cluster_enabled: "1" };
    const told = (value: string): Promise<Facts> =>
      read(node, "redis://h?cluster=true", ["cluster-require-full-coverage", value]);
    expect((await told("yes")).warnings).toEqual([expect.stringContaining("set it to no")]);
    expect((await told("no")).warnings).toEqual([]);
  });

  it("with replicas is warned of, as a failover may lose the last moments", async () => {
    const { durability, warnings } = await read({ connected_slaves: "2" }, "redis://h", []);
    expect(durability).toContain("A failover may lose the last moments");
    expect(warnings).toEqual([expect.stringContaining("Replication is asynchronous")]);
  });
});
