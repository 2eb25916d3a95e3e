import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LiveFeed } from "../src/http/live-feed.ts";
import { HttpClient, type LiveNews, type LiveTopic } from "../src/http-client.ts";
import { call, chord, defineTask, type Yard } from "../src/index.ts";
import { createManualHost } from "../src/testing/manual-host.ts";
import { HttpYard } from "./http-yard.ts";

const hold = defineTask<unknown, unknown>({ name: "hold" });
const echo = defineTask<unknown, unknown>({ name: "echo" });

let http: HttpYard;
let client: HttpClient;

beforeEach(async () => {
  http = await HttpYard.open();
  client = new HttpClient({ url: http.server.url, token: http.tokens.operator });
});

afterEach(() => http.close());

/** What each topic tells. */
type Values = { [News in LiveNews as News["type"]]: News extends { value: infer Value } ? Value : never };

/** Watches a topic until it is as it should be. */
async function until<Topic extends LiveTopic>(
  topic: Topic,
  isFit: (value: Values[Topic]) => boolean,
): Promise<Values[Topic]> {
  for await (const news of client.live([topic])) {
    if (news.type !== topic || !("value" in news)) continue;
    // Of that topic.
    const value = news.value as Values[Topic];
    if (isFit(value)) return value;
  }
  throw new Error("The stream has ended.");
}

describe("whoever watches", () => {
  it("is told what the token may do", async () => {
    expect(await client.session()).toEqual({ role: "operator", shards: 1 });
    const producer = new HttpClient({ url: http.server.url, token: http.tokens.producer });
    expect(await producer.session()).toMatchObject({ role: "producer" });
    expect((await http.get("/api/v1/live?topic=queues", "producer")).status).toBe(403);
    expect((await http.get("/api/v1/live?topic=everything")).status).toBe(400);
  });

  it("sees what runs and what ends, once, and the latest of it who comes later", async () => {
    const { id } = await http.yard.submit(hold, 1);
    const { running } = await until("activity", (value) => value.running.some((one) => one.id === id));
    expect(running).toMatchObject([{ id, name: "hold", queue: "default", attempt: 1 }]);
    const stop = new AbortController();
    const stream = client.live(["activity"], { signal: stop.signal });
    await stream.next();
    http.release();
    await http.yard.get(id).result();
    const { ends } = await until("activity", (value) => value.ends.some((one) => one.id === id));
    expect(ends.find((one) => one.id === id)).toMatchObject({ as: "succeeded", name: "hold" });
    stop.abort();
  });

  it("sees queues, workers, counts, shards, schedules and why a line waits", async () => {
    await http.yard.schedule("often", echo, 1, { everyMs: 3_600_000 });
    await http.yard.submit(defineTask<number, number>({ name: "unknown", queue: "other" }), 1);
    const { heads } = await until("activity", (value) => value.heads.length > 0);
    expect(heads).toMatchObject([
      { reason: "unknown-name", queue: "other", sentence: "No connected worker knows unknown." },
    ]);
    expect(await until("queues", (all) => all.length > 0)).toMatchObject([{ name: "other", ready: 1 }]);
    expect(await until("workers", () => true)).toMatchObject([{ registered: true }]);
    expect(await until("stats", () => true)).toMatchObject({ slots: 10 });
    expect(await until("schedules", () => true)).toMatchObject([{ name: "often" }]);
    expect(await until("shards", () => true)).toMatchObject([
      { shard: 0, lease: "held", controlLag: expect.any(Number) },
    ]);
    const [shard] = await client.shards();
    expect(shard).toMatchObject({ shard: 0, lease: "held", submitLag: 0 });
    expect(shard?.owner).toMatch(/^[\w-]{8,}/);
    expect(shard?.epoch).toBeGreaterThan(0);
    expect(shard).toMatchObject({ owner: (await http.yard.shards())[0]?.owner });
  });

  it("lists unfinished tasks page by page", async () => {
    await http.yard.pause("default");
    for (let one = 0; one < 5; one++) await (await http.yard.submit(echo, one)).accepted();
    const first = await client.list({ unfinished: true, limit: 3 });
    const second = await client.list({ after: first.at(-1)?.id ?? "", limit: 3 });
    expect([first.length, second.length]).toEqual([3, 2]);
    expect(new Set([...first, ...second].map(({ id }) => id)).size).toBe(5);
    await http.yard.resume("default");
    await expect.poll(() => client.list({ unfinished: true })).toEqual([]);
  });

  it("sees graphs as they go on", async () => {
    const { id } = await http.yard.submitGraph(chord([call(hold, 1), call(hold, 2)], echo));
    const [graph] = await until("graphs", (all) => all.length > 0);
    expect(graph).toMatchObject({ id, members: 3, arrived: 3, ended: 0, cancelled: false });
    http.release();
    expect(await until("graphs", (all) => all[0]?.state === "ended")).toMatchObject([{ id, ended: 3 }]);
  });

  it("is told when a schedule comes next and what it made", async () => {
    await http.yard.schedule("hourly", echo, 1, { cron: "0 * * * *" });
    const { next, past } = await client.scheduleTicks("hourly");
    expect(next).toHaveLength(5);
    expect(next.every((at) => at.endsWith(":00:00.000Z"))).toBe(true);
    expect(past).toEqual([]);
    await http.yard.schedule("often", echo, 1, { everyMs: 1_000 });
    await expect
      .poll(async () => (await client.scheduleTicks("often")).past.length, { timeout: 20_000 })
      .toBeGreaterThan(0);
    await client.pauseSchedule("often");
    const made = await client.scheduleTicks("often");
    expect(made.next).toEqual([]);
    expect(made.past[0]).toMatchObject({ task: { name: "echo", state: "succeeded" } });
    await expect(client.scheduleTicks("never")).rejects.toMatchObject({ problem: { code: "INVALID_NAME" } });
  });
});

describe("the feed", () => {
  it("looks once for all who watch, says what has not changed, and stops with the last of them", async () => {
    const host = createManualHost();
    let looks = 0;
    // The yard itself, with its calls counted.
    const yard: Yard = Object.create(http.yard, {
      queues: {
        value: () => {
          looks += 1;
          return http.yard.queues();
        },
      },
    });
    const feed = new LiveFeed(yard, host);
    const stop = new AbortController();
    const streams = [1, 2, 3].map(() => feed.watch(["queues"], stop.signal));
    const firsts = await Promise.all(streams.map((stream) => stream.next()));
    expect(firsts.map(({ value }) => value?.type)).toEqual(["queues", "queues", "queues"]);
    expect(looks).toBe(1);
    const seconds = streams.map((stream) => stream.next());
    await host.advance(1_000);
    expect((await Promise.all(seconds)).map(({ value }) => value?.type)).toEqual(["same", "same", "same"]);
    expect(looks).toBe(2);
    stop.abort();
    for (const stream of streams) expect(await stream.next()).toMatchObject({ done: true });
    await host.advance(60_000);
    expect(looks).toBe(2);
  });

  it("tells of trouble and goes on after it", async () => {
    const host = createManualHost();
    let isBroken = true;
    const yard: Yard = Object.create(http.yard, {
      stats: { value: () => (isBroken ? http.yard.status("nonsense") : http.yard.stats()) },
    });
    const stop = new AbortController();
    const stream = new LiveFeed(yard, host).watch(["stats"], stop.signal);
    expect((await stream.next()).value).toMatchObject({
      type: "trouble",
      topic: "stats",
      code: "INVALID_OPTIONS",
    });
    isBroken = false;
    const next = stream.next();
    await host.advance(1_000);
    expect((await next).value).toMatchObject({ type: "stats", value: { slots: 10 } });
    stop.abort();
  });
});
