import { describe, expect, it } from "vitest";
import { isCode } from "../protocol/errors.ts";
import { parseRedisUrl } from "./address.ts";
import { loadDriver } from "./driver.ts";
import { fieldOf, idOf, slotOf } from "./keys.ts";

describe("a redis URL", () => {
  it("names a server, with defaults", () => {
    expect(parseRedisUrl("redis://localhost")).toMatchObject({
      kind: "single",
      endpoints: [{ host: "localhost", port: 6379 }],
      user: "",
      password: "",
      database: 0,
      isTls: false,
      yard: "yardmaster",
    });
  });

  it("has user, password, port, database and yard", () => {
    expect(parseRedisUrl("rediss://me:p%40ss@[::1]:7000/3?yard=images&ca=/etc/ca.pem")).toMatchObject({
      endpoints: [{ host: "::1", port: 7000 }],
      user: "me",
      password: "p@ss",
      database: 3,
      isTls: true,
      authorityFile: "/etc/ca.pem",
      yard: "images",
    });
  });

  it("names a Cluster's nodes", () => {
    expect(parseRedisUrl("redis://a:7001?cluster=true&node=b:7002&node=c:7003")).toMatchObject({
      kind: "cluster",
      shown: "a:7001,b:7002,c:7003",
    });
  });

  it("names Sentinels and their master", () => {
    expect(parseRedisUrl("redis://s?sentinel=main&node=t:26380")).toMatchObject({
      kind: "sentinel",
      master: "main",
      endpoints: [
        { host: "s", port: 26379 },
        { host: "t", port: 26380 },
      ],
    });
  });

  it.each([
    ["redis://h?durability=os", /no parameter "durability"/],
    ["redis://h?yard=a&yard=b", /more than one/],
    ["redis://h?yard=A", /small letters/],
    ["redis://h/one", /number of a database/],
    ["redis://h/1?cluster=true", /only database 0/],
    ["redis://h?cluster=yes", /true or false/],
    ["redis://h?cluster=true&sentinel=s", /one of the two/],
    ["redis://h?sentinel=", /name of the master/],
    ["redis://h?node=b:1", /only a Cluster or Sentinels/],
    ["redis://h?cluster=true&node=b", /host:port/],
    ["redis://h?ca=/x", /goes with rediss:/],
    ["redis://u:%zz@h", /does not start an escape/],
    ["redis://h:99999", /cannot be read/],
  ])("refuses %s", (url, why) => {
    expect(() => parseRedisUrl(url)).toThrow(why);
  });

  it("is never shown with its password", () => {
    expect(() => parseRedisUrl("redis://me:secret@h?x=1")).not.toThrow(/secret/);
    expect(parseRedisUrl("redis://me:secret@h").shown).toBe("h:6379");
  });
});

describe("the driver", () => {
  it("is asked for by the line that installs it", async () => {
    const missing = loadDriver(() => Promise.reject(new Error("Cannot find package '@redis/client'")));
    const error = await missing.catch((thrown: unknown) => thrown);
    expect(isCode(error, "DRIVER_MISSING")).toBe(true);
    expect(String(error)).toContain("npm install @redis/client");
  });

  it("must be one of a version that fits", async () => {
    await expect(loadDriver(async () => ({}))).rejects.toThrow("npm install @redis/client@6");
  });
});

describe("a key", () => {
  it("says the task's id, with its shard", () => {
    const id = "01900000-0abc-7def-89ab-0123456789ab";
    expect(fieldOf(id).length).toBe(14);
    expect(idOf(fieldOf(id), 0x9ab)).toBe(id);
  });

  it("is in the slot that Redis Cluster puts it into", () => {
    expect(slotOf("123456789")).toBe(0x31c3);
    expect(slotOf("{yard:0}:fence")).toBe(slotOf("yard:0"));
  });
});
