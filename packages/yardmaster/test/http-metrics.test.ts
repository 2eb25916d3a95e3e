import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { METRICS } from "../src/http/metrics.ts";
import { HttpClient } from "../src/http-client.ts";
import { defineTask } from "../src/index.ts";
import { HttpYard } from "./http-yard.ts";

const echo = defineTask<unknown, unknown>({ name: "echo" });
const boom = defineTask<unknown, unknown>({
  name: "boom",
  attempts: 2,
  backoff: { type: "fixed", baseMs: 1 },
});
let http: HttpYard;
let client: HttpClient;

beforeAll(async () => {
  http = await HttpYard.open();
  client = new HttpClient({ url: http.server.url, token: http.tokens.operator });
  const tasks = await Promise.all([1, 2, 3].map((input) => http.yard.submit(echo, input)));
  await Promise.all(tasks.map((task) => task.result()));
  await (await http.yard.submit(boom, "x")).settled();
});

afterAll(() => http.close());

async function metrics(): Promise<Map<string, number>> {
  const response = await fetch(`${http.server.url}/metrics`, {
    headers: { authorization: `Bearer ${http.tokens.viewer}` },
  });
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = (await response.text()).trimEnd().split("\n");
  const helped = lines.filter((line) => line.startsWith("# HELP")).map((line) => line.split(" ")[2]);
  expect(helped).toEqual(Object.keys(METRICS));
  for (const line of lines)
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+-]+)$/);
  return new Map(
    lines
      .filter((line) => !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
  );
}

describe("/metrics", () => {
  it("counts what has happened", async () => {
    const values = await metrics();
    expect(values.get('yardmaster_tasks_submitted_total{queue="default"}')).toBe(4);
    expect(values.get('yardmaster_tasks_ended_total{queue="default",state="succeeded"}')).toBe(3);
    expect(values.get('yardmaster_tasks_ended_total{queue="default",state="failed"}')).toBe(1);
    expect(values.get('yardmaster_attempts_retried_total{queue="default"}')).toBe(1);
    expect(values.get('yardmaster_task_duration_seconds_count{queue="default"}')).toBe(3);
    expect(values.get('yardmaster_task_duration_seconds_bucket{queue="default",le="+Inf"}')).toBe(3);
    expect(values.get('yardmaster_task_wait_seconds_count{queue="default"}')).toBe(4);
    expect(values.get("yardmaster_slots")).toBe(10);
    expect(values.get("yardmaster_slots_used")).toBe(0);
    expect(values.get("yardmaster_commits_fenced")).toBe(0);
  });

  it("shows what waits, and that a queue is paused", async () => {
    await http.yard.pause("default");
    const waiting = await http.yard.submit(echo, 1);
    await waiting.accepted();
    const values = await metrics();
    expect(values.get('yardmaster_queue_tasks{queue="default",state="ready"}')).toBe(1);
    expect(values.get('yardmaster_queue_paused{queue="default"}')).toBe(1);
    expect(values.get('yardmaster_queue_backlog_seconds{queue="default"}')).toBeGreaterThan(0);
    await http.yard.resume("default");
    await waiting.result();
  });

  it("needs a token", async () => {
    expect((await fetch(`${http.server.url}/metrics`)).status).toBe(401);
    const response = await fetch(`${http.server.url}/metrics`, {
      headers: { authorization: `Bearer ${http.tokens.producer}` },
    });
    expect(response.status).toBe(403);
  });

  it("has the same numbers as JSON", async () => {
    const { queues, slots } = await client.stats();
    expect(slots).toBe(10);
    expect(queues).toMatchObject([{ queue: "default", failed: 1, retried: 1 }]);
  });
});

describe("schedules", () => {
  it("are listed, paused, resumed, run and removed", async () => {
    await http.yard.schedule("nightly", echo, 7, { cron: "0 3 * * *" });
    expect(await client.schedules()).toMatchObject([{ name: "nightly", paused: false, task: "echo" }]);
    expect((await client.pauseSchedule("nightly")).paused).toBe(true);
    expect((await client.resumeSchedule("nightly")).paused).toBe(false);
    expect(await http.yard.get(await client.runSchedule("nightly")).result()).toBe(7);
    expect((await client.removeSchedule("nightly")).name).toBe("nightly");
    expect(await client.schedules()).toEqual([]);
    await expect(client.pauseSchedule("nightly")).rejects.toMatchObject({
      problem: { code: "INVALID_NAME" },
    });
  });
});
