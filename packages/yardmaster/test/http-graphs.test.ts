import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpClient } from "../src/http-client.ts";
import { call, chain, defineTask, group } from "../src/index.ts";
import { HttpYard } from "./http-yard.ts";

const echo = defineTask<unknown, unknown>({ name: "echo" });
const hold = defineTask<unknown, unknown>({ name: "hold" });
let http: HttpYard;
let client: HttpClient;

beforeAll(async () => {
  http = await HttpYard.open();
  client = new HttpClient({ url: http.server.url, token: http.tokens.operator });
});

afterAll(() => http.close());

describe("graphs over HTTP", () => {
  it("are listed, looked at page by page, and cancelled", async () => {
    const graph = await http.yard.submitGraph(chain(group([call(echo, 1), call(hold, 2)]), echo));
    await graph.tasks[0]?.result({ timeoutMs: 20_000 });
    expect(await client.graphs({ limit: 5 })).toMatchObject([
      { id: graph.id, state: "open", members: 3, ended: 1 },
    ]);
    const page = await client.graph(graph.tasks[2]?.id ?? "", { limit: 2 });
    expect(page).toMatchObject({ id: graph.id, next: 2, tasks: [{ place: 0 }, { place: 1, name: "hold" }] });
    expect(await client.graph(graph.id, { from: 2 })).toMatchObject({
      tasks: [{ place: 2, after: [0, 1], waitsFor: 2, state: "blocked" }],
    });
    const cancelled = await client.cancelGraph(graph.id, { reason: "enough" });
    expect(cancelled).toMatchObject({ id: graph.id, cancelled: true, members: 3 });
    await Promise.all(graph.tasks.map((task) => task.settled({ timeoutMs: 20_000 })));
    expect(await client.graph(graph.id)).toMatchObject({ state: "ended", failed: 2 });
  });

  it("are refused where nobody knows them, and to who may not see or end them", async () => {
    const graph = await http.yard.submitGraph(call(echo, 1));
    const unknown = graph.id.replace(/^.{8}/, "00000000");
    expect(await http.get(`/api/v1/graphs/${unknown}`)).toMatchObject({
      status: 404,
      body: { code: "TASK_NOT_FOUND" },
    });
    expect((await http.post(`/api/v1/graphs/${unknown}/cancel`)).status).toBe(404);
    expect((await http.get("/api/v1/graphs/x")).status).toBe(400);
    expect((await http.get(`/api/v1/graphs/${graph.id}?limit=1001`)).status).toBe(400);
    expect((await http.get(`/api/v1/graphs/${graph.id}`, "viewer")).status).toBe(200);
    expect((await http.post(`/api/v1/graphs/${graph.id}/cancel`, {}, "viewer")).status).toBe(403);
    expect(http.defects).toEqual([]);
  });
});
