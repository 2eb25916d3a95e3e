import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { securityOf } from "../src/cli/security.ts";
import { defineTask } from "../src/definition.ts";
import type { SecurityOptions } from "../src/security/keys.ts";
import { createHandlers } from "../src/worker/handlers.ts";
import { connect, startDispatcher, startYard } from "../src/yard.ts";
import { key } from "./secured-yard.ts";

const folder = mkdtempSync(join(tmpdir(), "yardmaster-secured-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const echo = defineTask<unknown, unknown>({ name: "echo" });
const { on } = createHandlers();
const handlers = [on(echo, ({ input }) => input)];
const security = {
  signing: { keys: { a: key(1) }, current: "a" },
  encryption: { keys: { b: Buffer.from(key(2)).toString("base64") }, current: "b" },
};

describe("a yard with keys in a file", () => {
  it("runs tasks, its heartbeats' thread signs too, and a client without keys is told", async () => {
    const url = `sqlite:${join(folder, "yard.db")}`;
    const alarms: string[] = [];
    const yard = await startYard({ url, handlers, security, onAlarm: ({ code }) => alarms.push(code) });
    const stranger = await connect(url);
    try {
      const large = "x".repeat(100_000);
      expect(await (await yard.submit(echo, large)).result()).toBe(large);
      const task = await stranger.submit(echo, 1);
      await expect(task.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ code: "KEY_MISSING" });
      expect(alarms.filter((code) => code.startsWith("FRAME_"))).toEqual(["FRAME_UNTRUSTED"]);
    } finally {
      await stranger.close();
      await yard.close();
    }
  });

  it("submits in a transaction of the caller's", async () => {
    const { DatabaseSync } = await import("node:sqlite");
    const file = join(folder, "tx.db");
    const yard = await startYard({ url: `sqlite:${file}`, handlers, security });
    const database = new DatabaseSync(file);
    try {
      database.exec("BEGIN IMMEDIATE");
      const tx = (sql: string, params: readonly (string | Uint8Array)[]): void => {
        database.prepare(sql).run(...params);
      };
      const task = await yard.submit(echo, "inside", { tx });
      database.exec("COMMIT");
      expect(await task.result({ timeoutMs: 20_000 })).toBe("inside");
    } finally {
      database.close();
      await yard.close();
    }
  });
});

describe("keys", () => {
  const url = "memory:keys";
  it.each([
    ["a short one", { signing: { keys: { a: "c2hvcnQ=" }, current: "a" } }],
    ["a current one that is not there", { signing: { keys: { a: key(1) }, current: "b" } }],
    ["one of a wrong length", { encryption: { keys: { a: new Uint8Array(33) }, current: "a" } }],
    ["none", { encryption: { keys: {}, current: "a" } }],
    ["a misspelt option", { singing: { keys: { a: key(1) }, current: "a" } }],
  ])("that cannot be used are refused: %s", async (_, wrong) => {
    // One of them is what no compiler would take.
    await expect(connect(url, { security: wrong as SecurityOptions })).rejects.toMatchObject({
      code: "INVALID_OPTIONS",
    });
  });

  it("are kept from a dispatcher that would forget too early", async () => {
    const wrong = startDispatcher({ url, security, keepIdsMs: 60_000 });
    await expect(wrong).rejects.toMatchObject({ code: "INVALID_OPTIONS" });
  });

  it("come from the environment on the command line, and no message quotes one", () => {
    const [one, two] = [key(1), key(2)].map((bytes) => Buffer.from(bytes).toString("base64"));
    const environment = {
      YARDMASTER_SIGNING_KEYS: `new:${one}, old:${two}`,
      YARDMASTER_ENCRYPTION_KEYS: `e:${one}`,
    };
    expect(securityOf(environment)).toEqual({
      signing: { keys: { new: one, old: two }, current: "new" },
      encryption: { keys: { e: one }, current: "e", fingerprint: "e" },
    });
    expect(securityOf({})).toBeUndefined();
    expect(() => securityOf({ YARDMASTER_SIGNING_KEYS: `x:${one},${two}` })).toThrow(
      "entry 2 is not id:base64",
    );
  });
});
