import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineQueue } from "../src/index.ts";
import { HttpYard } from "./http-yard.ts";

const UNKNOWN = "01900000-0000-7000-8000-000000000000";

let http: HttpYard;

beforeEach(async () => {
  http = await HttpYard.open();
});

afterEach(async () => {
  await http.close();
  expect(http.defects).toEqual([]);
});

describe("submitting", () => {
  it("answers when the task is durable, and its result can be waited for", async () => {
    const { status, body } = await http.post("/api/v1/tasks", { name: "echo", input: { a: [1, null, "é"] } });
    expect({ status, body }).toEqual({ status: 201, body: { id: expect.any(String), outcome: null } });
    const { id } = body;
    expect((await http.get(`/api/v1/tasks/${id}/result?waitMs=20000`)).body).toEqual({
      id,
      ended: true,
      ok: true,
      result: { a: [1, null, "é"] },
    });
    expect((await http.get(`/api/v1/tasks/${id}`)).body).toMatchObject({
      id,
      name: "echo",
      state: "succeeded",
    });
  });

  it("takes all of its options", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", {
      name: "unheard.of",
      queue: "media",
      version: 2,
      attempts: 7,
      backoff: { type: "list", delaysMs: [1, 2] },
      timeoutMs: 1_000,
      priority: 9,
      delayMs: 3_600_000,
      expiresInMs: 7_200_000,
    });
    expect((await http.get(`/api/v1/tasks/${body["id"]}`)).body).toMatchObject({
      name: "unheard.of",
      queue: "media",
      attempts: 7,
      priority: 9,
      state: "scheduled",
    });
    expect(
      (await http.post("/api/v1/tasks", { name: "echo", runAt: "2100-01-01T00:00:00+02:00" })).status,
    ).toBe(201);
  });

  it("makes one task of one idempotency key, and refuses it for another input", async () => {
    const task = { name: "echo", input: 1, idempotencyKey: "k" };
    const first = await http.post("/api/v1/tasks?accepted=true", task);
    const second = await http.post("/api/v1/tasks?accepted=true", task);
    expect(first.body).toEqual({ id: expect.any(String), outcome: "created" });
    expect(second.body).toEqual({ id: first.body["id"], outcome: "duplicate" });
    const third = await http.post("/api/v1/tasks?accepted=true", { ...task, input: 2 });
    expect(third).toMatchObject({ status: 409, body: { code: "IDEMPOTENCY_CONFLICT", retryable: false } });
  });

  it("takes a batch in which each task stands for itself", async () => {
    const { status, body } = await http.post("/api/v1/tasks/batch", {
      tasks: [
        { name: "echo", input: 1 },
        { name: "echo", delayMs: 1, runAt: "2100-01-01T00:00:00Z" },
        { name: "echo" },
      ],
    });
    expect(status).toBe(200);
    expect(body["tasks"]).toEqual([
      { id: expect.any(String) },
      { error: { code: "INVALID_OPTIONS", message: expect.stringContaining("runAt") } },
      { id: expect.any(String) },
    ]);
  });

  it("names what is wrong in a request", async () => {
    const { status, headers, body } = await http.post("/api/v1/tasks", {
      name: "a\nb",
      priority: 300,
      more: 1,
    });
    expect(status).toBe(400);
    expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(body).toMatchObject({
      type: "urn:yardmaster:problem:INVALID_REQUEST",
      status: 400,
      code: "INVALID_REQUEST",
      requestId: headers.get("x-request-id"),
      errors: [{ path: "body/name" }, { path: "body/priority" }, { path: "body/" }],
    });
  });
});

describe("a task", () => {
  it("that failed says how, with the handler's own error", async () => {
    const { body } = await http.post("/api/v1/tasks", { name: "boom", attempts: 1, input: "no luck" });
    expect((await http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=20000`)).body).toEqual({
      id: body["id"],
      ended: true,
      ok: false,
      error: {
        code: "TASK_FAILED",
        message: expect.stringContaining("no luck"),
        cause: { code: "HANDLER_FAILED", message: "no luck" },
      },
    });
  });

  it("that goes on is no error to those who wait", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold" });
    const notYet = { status: 200, body: { id: body["id"], ended: false } };
    expect(await http.get(`/api/v1/tasks/${body["id"]}/result`)).toMatchObject(notYet);
    expect(await http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=20`)).toMatchObject(notYet);
  });

  it("says why it waits, and what has happened to it", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "unheard.of" });
    const { id } = body;
    expect((await http.get(`/api/v1/tasks/${id}/explain`)).body).toEqual({
      id,
      state: "ready",
      reason: "unknown-name",
      sentence: "No connected worker knows unheard.of.",
      data: { name: "unheard.of", version: 1 },
    });
    const story = await http.get(`/api/v1/tasks/${id}/story`);
    expect(story.body).toMatchObject({
      chapters: [
        { state: "submitted", attempt: 0, worker: null, until: null },
        { state: "ready", code: null, message: null },
      ],
    });
  });

  it.each(["", "/explain", "/story", "/result", "/result?waitMs=100", "/values"])(
    "that nobody knows is not found: %s",
    async (path) => {
      expect(await http.get(`/api/v1/tasks/${UNKNOWN}${path}`)).toMatchObject({
        status: 404,
        body: { code: "TASK_NOT_FOUND", type: "urn:yardmaster:problem:TASK_NOT_FOUND" },
      });
    },
  );

  it("is cancelled while it runs, and submitted again", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold", input: "x" });
    const { id } = body;
    expect((await http.post(`/api/v1/tasks/${id}/retry`)).body).toMatchObject({ code: "INVALID_OPTIONS" });
    expect((await http.post(`/api/v1/tasks/${id}/cancel`, { reason: "enough" })).body).toEqual({
      id,
      state: "cancelled",
    });
    http.release();
    const again = await http.post(`/api/v1/tasks/${id}/retry`);
    expect(again).toMatchObject({ status: 201, body: { retryOf: id } });
    const result = await http.get(`/api/v1/tasks/${again.body["id"]}/result?waitMs=20000`);
    expect(result.body).toMatchObject({ ok: true, result: "x" });
    expect((await http.post(`/api/v1/tasks/${UNKNOWN}/cancel`)).status).toBe(404);
  });

  it("shows people its values without secrets, and its producer all of them", async () => {
    const input = {
      user: "ada",
      api_key: "k",
      nested: [{ Password: "p", "x-secret": 1 }],
      long: "y".repeat(70_000),
    };
    const { body } = await http.post("/api/v1/tasks", { name: "echo", input });
    const result = await http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=20000`, "producer");
    expect(result.body["result"]).toEqual(input);
    const { body: values } = await http.get(`/api/v1/tasks/${body["id"]}/values`, "operator");
    for (const shown of [values["input"], values["result"]] as unknown as {
      json: string;
      isCut: boolean;
    }[]) {
      expect(shown.isCut).toBe(true);
      expect(shown.json).toHaveLength(65_536);
      expect(shown.json).toMatch(
        /^\{"user":"ada","api_key":"\[redacted\]","nested":\[\{"Password":"\[redacted\]","x-secret":"\[redacted\]"\}\]/,
      );
    }
  });

  it("tells what happens to it, to its end", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold", input: "x" });
    const response = await fetch(`${http.server.url}/api/v1/tasks/${body["id"]}/events`, {
      headers: { authorization: `Bearer ${http.tokens.viewer}` },
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const events = await eventsOf(response, (name) => {
      if (name === "started" || name === "progress") http.release();
    });
    expect(events[0]).toBe("accepted");
    expect(events.at(-1)).toBe("settled");
  });

  it("that nobody knows ends its stream with a problem", async () => {
    const response = await fetch(`${http.server.url}/api/v1/tasks/${UNKNOWN}/events`, {
      headers: { authorization: `Bearer ${http.tokens.viewer}` },
    });
    expect(await response.text()).toMatch(/^event: problem\ndata: \{.*"code":"TASK_NOT_FOUND".*\}\n\n$/);
  });
});

describe("the yard", () => {
  it("lists tasks by state, queue and name, and ended ones page by page", async () => {
    for (const input of [1, 2, 3]) {
      const { body } = await http.post("/api/v1/tasks", { name: "echo", input });
      await http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=20000`);
    }
    await http.post("/api/v1/tasks?accepted=true", { name: "hold", queue: "other", delayMs: 60_000 });
    expect((await http.get("/api/v1/tasks")).body["tasks"]).toHaveLength(4);
    expect((await http.get("/api/v1/tasks?queue=other")).body["tasks"]).toMatchObject([{ name: "hold" }]);
    expect((await http.get("/api/v1/tasks?name=echo&state=failed")).body["tasks"]).toEqual([]);
    const seen: unknown[] = [];
    let path = "/api/v1/history?state=succeeded&state=failed&limit=2&from=2020-01-01T00:00:00Z";
    for (;;) {
      const { tasks, cursor } = (await http.get(path)).body as unknown as {
        tasks: object[];
        cursor: string | null;
      };
      seen.push(...tasks);
      if (cursor === null) break;
      path = `/api/v1/history?state=succeeded&limit=2&cursor=${encodeURIComponent(cursor)}`;
    }
    expect(seen).toHaveLength(3);
    expect((await http.get("/api/v1/history?to=2020-01-01T00:00:00Z")).body["tasks"]).toEqual([]);
  });

  it("finds the task that an idempotency key stands for, while it waits and when it has ended", async () => {
    const key = "order 1/é?&";
    const path = `/api/v1/tasks?name=hold&key=${encodeURIComponent(key)}`;
    expect((await http.get(path)).body["tasks"]).toEqual([]);
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold", idempotencyKey: key });
    await http.post("/api/v1/tasks?accepted=true", { name: "hold", idempotencyKey: "another" });
    expect((await http.get(path, "viewer")).body["tasks"]).toMatchObject([{ id: body["id"], name: "hold" }]);
    http.release();
    await http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=20000`);
    expect((await http.get(path)).body["tasks"]).toMatchObject([{ id: body["id"], state: "succeeded" }]);
    expect((await http.get(`${path}&unfinished=true`)).body["tasks"]).toEqual([]);
    expect(await http.get(`/api/v1/tasks?key=${encodeURIComponent(key)}`)).toMatchObject({
      status: 400,
      body: { code: "INVALID_OPTIONS", detail: expect.stringContaining("name") },
    });
  });

  it("pauses and resumes queues whose names need escapes", async () => {
    const queue = "a/b c%é<script>";
    const longest = "é".repeat(128);
    expect((await http.post(`/api/v1/queues/${encodeURIComponent(longest)}/pause`)).body).toMatchObject({
      queue: longest,
    });
    await http.post(`/api/v1/queues/${encodeURIComponent(longest)}/resume`);
    const path = `/api/v1/queues/${encodeURIComponent(queue)}`;
    await http.post("/api/v1/tasks?accepted=true", { name: "echo", queue });
    expect((await http.post(`${path}/pause`)).body).toEqual({ queue, paused: true });
    const paused = (await http.get("/api/v1/queues")).body["queues"] as unknown as {
      name: string;
      paused: boolean;
    }[];
    expect(paused.filter((each) => each.paused).map(({ name }) => name)).toEqual([queue]);
    expect((await http.post(`${path}/resume`)).body).toEqual({ queue, paused: false });
  });

  it("shows workers and drains them", async () => {
    const { body } = await http.get("/api/v1/workers");
    const [worker] = body["workers"] as unknown as { id: string; credit: number }[];
    expect(worker).toMatchObject({ credit: 10, labels: { zone: "eu" } });
    expect((await http.post(`/api/v1/workers/${worker?.id}/drain`)).body).toEqual({
      worker: worker?.id,
      draining: true,
    });
    expect((await http.post("/api/v1/workers/nobody/drain")).status).toBe(400);
  });

  it("shows what a worker runs, and changes its slots and a queue's limits", async () => {
    const { body } = await http.get("/api/v1/workers");
    const [worker] = body["workers"] as unknown as { id: string }[];
    const path = `/api/v1/workers/${worker?.id}`;
    expect((await http.get(`${path}/active`)).body).toEqual({ tasks: [] });
    const { body: held } = await http.post("/api/v1/tasks?accepted=true", { name: "hold", input: 1 });
    await expect
      .poll(async () => (await http.get(`${path}/active`)).body["tasks"], { timeout: 20_000 })
      .toMatchObject([{ id: held["id"], name: "hold", attempt: 1 }]);
    await http.post(`/api/v1/tasks/${held["id"]}/cancel`, {});
    expect((await http.get("/api/v1/workers/nobody/active")).status).toBe(400);
    expect((await http.post(`${path}/slots`, { slots: 12 })).body).toEqual({ worker: worker?.id, slots: 12 });
    expect((await http.post(`${path}/slots`, { slots: 0 })).status).toBe(400);
    await http.yard.apply([defineQueue({ name: "held" })]);
    const limits = { concurrency: 3, rate: { limit: 5, perMs: 1_000 } };
    const changed = await http.post("/api/v1/queues/held/configure", limits);
    expect(changed.body).toMatchObject({ settings: { concurrency: 3, rate: { limit: 5, burst: 1 } } });
    const lifted = await http.post("/api/v1/queues/held/configure", {
      concurrency: null,
      rate: null,
    });
    expect(lifted.body["settings"]).toBeUndefined();
    expect((await http.post("/api/v1/queues/nothing/configure", limits)).status).toBe(400);
    expect((await http.post("/api/v1/queues/held/configure", { speed: 1 })).status).toBe(400);
  });

  it("changes a queue's order and placement, and refuses what there is not", async () => {
    await http.yard.apply([defineQueue({ name: "turned", order: "priority", agingMs: 5_000, weight: 3 })]);
    const path = "/api/v1/queues/turned/configure";
    const changed = await http.post(path, { order: "fair", placement: "least-loaded" });
    expect(changed.body).toMatchObject({ order: "fair", placement: "least-loaded", settings: { weight: 3 } });
    const { queues } = (await http.get("/api/v1/queues")).body as unknown as { queues: { name: string }[] };
    expect(queues.find(({ name }) => name === "turned")).toMatchObject({
      order: "fair",
      placement: "least-loaded",
    });
    const wrong = await http.post(path, { order: "alphabetical" });
    expect(wrong.status).toBe(400);
    expect(JSON.stringify(wrong.body["errors"])).toContain("order");
    expect((await http.post(path, { placement: "nearest" })).status).toBe(400);
    expect((await http.post(path, { order: "fifo", admission: "refuse" })).body["code"]).toBe(
      "INVALID_OPTIONS",
    );
  });

  it("shows queues of every order with their settings", async () => {
    const rate = { limit: 10, perMs: 1_000, burst: 10 };
    await http.yard.apply([defineQueue({ name: "shared", order: "fair", concurrency: 3, rate })]);
    const { queues } = (await http.get("/api/v1/queues")).body as unknown as { queues: { name: string }[] };
    expect(queues.find(({ name }) => name === "shared")).toMatchObject({
      order: "fair",
      settings: { concurrency: 3, rate },
    });
  });

  it("says how it is and who dispatches", async () => {
    expect((await http.get("/api/v1/health")).body).toMatchObject({
      isUp: true,
      broker: { isUp: true, trouble: null },
      shards: [{ shard: 0, owner: expect.any(String), lease: "held" }],
    });
  });

  it("answers probes without a token and by any name", async () => {
    for (const path of ["/livez", "/readyz"]) {
      const raw = await http.raw(`GET ${path} HTTP/1.1\r\nHost: 10.0.0.7:4400\r\nConnection: close\r\n\r\n`);
      expect(raw).toMatch(/^HTTP\/1\.1 200 .*\{"status":"ok"\}$/s);
    }
  });
});

describe("bulk actions", () => {
  it("cancel what waits, and only say so first when asked", async () => {
    const tasks = Array.from({ length: 5 }, () => ({ name: "echo", queue: "bulk", delayMs: 60_000 }));
    await http.post("/api/v1/tasks/batch", { tasks });
    await http.post("/api/v1/tasks?accepted=true", { name: "echo", queue: "bulk", delayMs: 60_000 });
    const dry = await http.post("/api/v1/bulk/cancel", { queue: "bulk", dryRun: true });
    expect(dry.body).toMatchObject({ done: 0, failed: [], more: false });
    expect(dry.body["matched"]).toHaveLength(6);
    const first = await http.post("/api/v1/bulk/cancel", {
      queue: "bulk",
      limit: 4,
      reason: "spring cleaning",
    });
    expect(first.body).toMatchObject({ done: 4, more: true });
    const second = await http.post("/api/v1/bulk/cancel", { queue: "bulk", limit: 4 });
    expect(second.body).toMatchObject({ done: 2, more: false });
    expect((await http.get("/api/v1/tasks?queue=bulk&state=cancelled")).body["tasks"]).toHaveLength(6);
  });

  it("submit ended tasks again, page by page and each once", async () => {
    const tasks = Array.from({ length: 5 }, (_, input) => ({ name: "boom", attempts: 1, input }));
    const { body } = await http.post("/api/v1/tasks/batch", { tasks });
    for (const { id } of body["tasks"] as unknown as { id: string }[])
      await http.get(`/api/v1/tasks/${id}/result?waitMs=20000`);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const filter = { name: "boom", state: "failed", limit: 2, ...(cursor === null ? {} : { cursor }) };
      const step = (await http.post("/api/v1/bulk/retry", filter)).body as unknown as {
        matched: string[];
        done: number;
        cursor: string | null;
      };
      expect(step.done).toBe(step.matched.length);
      seen.push(...step.matched);
      cursor = step.cursor;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
  });

  it.each(["cancel", "retry"])("%s nothing without a filter", async (action) => {
    expect((await http.post(`/api/v1/bulk/${action}`, {})).status).toBe(400);
    expect((await http.post(`/api/v1/bulk/${action}`, { limit: 10 })).status).toBe(400);
  });
});

describe("a server that closes", () => {
  it("answers those who wait, ends streams and leaves the yard open", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold" });
    const events = await fetch(`${http.server.url}/api/v1/tasks/${body["id"]}/events`, {
      headers: { authorization: `Bearer ${http.tokens.viewer}` },
    });
    const reader = events.body?.getReader();
    await reader?.read();
    const waiting = http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=60000`);
    // The wait has begun when another request that came after it was answered.
    await http.get("/api/v1/queues");
    await http.server.close();
    expect((await waiting).body).toEqual({ id: body["id"], ended: false });
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read());
    expect(await http.yard.status(body["id"] ?? "")).toMatchObject({ name: "hold" });
    await expect(http.get("/livez")).rejects.toThrow();
  });
});

async function eventsOf(response: Response, seen: (name: string) => void): Promise<string[]> {
  const names: string[] = [];
  if (response.body === null) return names;
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    for (const [, name = ""] of text.matchAll(/^event: (\w+)$/gm)) {
      names.push(name);
      seen(name);
    }
  }
  return names;
}
