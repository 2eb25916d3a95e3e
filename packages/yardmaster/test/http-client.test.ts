import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HttpClient, ProblemError } from "../src/http-client.ts";
import { HttpYard } from "./http-yard.ts";

const UNKNOWN = "01900000-0000-7000-8000-000000000000";

let http: HttpYard;
let client: HttpClient;

beforeEach(async () => {
  http = await HttpYard.open();
  client = new HttpClient({ url: `${http.server.url}/`, token: http.tokens.admin });
});

afterEach(() => http.close());

describe("the client for browsers", () => {
  it("asks for no other address, whatever an id is", async () => {
    const asked: string[] = [];
    const deaf = new HttpClient({
      url: "http://127.0.0.1:4400",
      token: "",
      fetch: async (url) => {
        asked.push(new URL(String(url)).pathname);
        return Response.json({});
      },
    });
    for (const id of ["..", ".", "", "\ud800"]) {
      await expect(deaf.pauseSchedule(id)).rejects.toMatchObject({ problem: { code: "INVALID_INPUT" } });
      await expect(deaf.graph(id)).rejects.toBeInstanceOf(ProblemError);
    }
    await deaf.graph("../queues?a");
    expect(asked).toEqual(["/api/v1/graphs/..%2Fqueues%3Fa"]);
  });

  it("submits, waits, and looks", async () => {
    const { id, outcome } = await client.submit({ name: "echo", input: [1] }, { accepted: true });
    expect(outcome).toBe("created");
    expect(await client.result(id)).toEqual({ id, ended: true, ok: true, result: [1] });
    expect(await client.status(id)).toMatchObject({ state: "succeeded" });
    expect(await client.values(id)).toMatchObject({ input: { json: "[1]" } });
    const { tasks } = await client.submitBatch([{ name: "echo" }, { name: "echo" }]);
    for (const task of tasks) if ("id" in task) await client.result(task.id);
    expect(await client.list({ queue: "default", name: "echo" })).toHaveLength(3);
    const page = await client.history({ state: ["succeeded", "failed"], limit: 2 });
    expect(page.tasks).toHaveLength(2);
    expect((await client.history({ cursor: page.cursor ?? "" })).tasks).toHaveLength(1);
    expect(await client.health()).toMatchObject({ isUp: true });
  });

  it("follows a task and acts on it", async () => {
    const { id } = await client.submit({ name: "hold", input: 1 }, { accepted: true });
    const seen: string[] = [];
    for await (const { type } of client.events(id)) {
      seen.push(type);
      if (type === "started") http.release();
    }
    expect(seen.at(0)).toBe("accepted");
    expect(seen.at(-1)).toBe("settled");
    const again = await client.retry(id);
    expect(await client.result(again.id)).toMatchObject({ ok: true });
    const later = await client.submit({ name: "echo", delayMs: 60_000 }, { accepted: true });
    expect(await client.cancel(later.id, "no more")).toEqual({ id: later.id, state: "cancelled" });
    await client.submit({ name: "echo", queue: "b", delayMs: 60_000 }, { accepted: true });
    expect(await client.bulkCancel({ queue: "b" })).toMatchObject({ done: 1, more: false });
    expect(await client.bulkRetry({ queue: "b", dryRun: true })).toMatchObject({
      done: 0,
      matched: [expect.any(String)],
    });
  });

  it("looks after queues and workers", async () => {
    await client.pause("default");
    expect(await client.queues()).toMatchObject([{ name: "default", paused: true }]);
    await client.resume("default");
    expect(await client.queues()).toMatchObject([{ name: "default", paused: false }]);
    const [worker] = await client.workers();
    await client.drain(worker?.id ?? "");
  });

  it("throws what the server refuses", async () => {
    const refused = client.status(UNKNOWN);
    await expect(refused).rejects.toBeInstanceOf(ProblemError);
    await expect(refused).rejects.toMatchObject({ problem: { code: "TASK_NOT_FOUND", status: 404 } });
    await expect(client.events(UNKNOWN).next()).rejects.toMatchObject({
      problem: { code: "TASK_NOT_FOUND" },
    });
    const proxy = new HttpClient({
      url: "http://a",
      token: "t",
      fetch: async () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
    });
    await expect(proxy.queues()).rejects.toMatchObject({ problem: { code: "NO_ANSWER", retryable: true } });
  });

  it("ends a wait by its signal", async () => {
    const { id } = await client.submit({ name: "hold" }, { accepted: true });
    const stop = new AbortController();
    const waiting = client.result(id, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });

  it("imports nothing that a browser does not have", () => {
    const valuesOf = (file: string): string[] => {
      const source = readFileSync(join(import.meta.dirname, "../src", file), "utf8");
      expect(source).not.toMatch(/\b(?:process|Buffer|require)\b/);
      return [...source.matchAll(/^(?:import|export) (?!type\b)(?:\{[^}]*\}|\*|\w+) from "([^"]+)"/gm)].map(
        ([, from = ""]) => from,
      );
    };
    const imported = valuesOf("http-client.ts");
    expect(new Set(imported)).toEqual(new Set(["./protocol/stats.ts", "./protocol/task.ts"]));
    expect(imported.flatMap(valuesOf)).toEqual([]);
  });
});
