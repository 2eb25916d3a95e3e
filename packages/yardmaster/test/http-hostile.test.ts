import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HttpYard } from "./http-yard.ts";

const JSON_TYPE = "Content-Type: application/json";

let http: HttpYard;

beforeEach(async () => {
  http = await HttpYard.open({
    limits: { bodyBytes: 100_000, headersMs: 300, requestMs: 600, longAtOnce: 3 },
  });
});

afterEach(async () => {
  // Whatever was sent: the process lives, and answers others.
  const { status } = await http.get("/api/v1/queues");
  expect(status).toBe(200);
  expect(http.defects).toEqual([]);
  await http.close();
});

describe("a hostile caller", () => {
  it("that sends its head byte by byte is cut off", async () => {
    const answer = await http.raw("GET /livez HTTP/1.1\r\nHost: a\r\nX: ");
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
  });

  it("that never sends its body is cut off, and others are answered meanwhile", async () => {
    const slow = Array.from({ length: 50 }, () =>
      http.raw(http.head("POST /api/v1/tasks", JSON_TYPE, "Content-Length: 1000"), '{"name":'),
    );
    expect((await http.post("/api/v1/tasks", { name: "echo" })).status).toBe(201);
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("that says nothing at all is cut off", async () => {
    const ended = await new Promise<string>((resolve) => {
      const socket = connect(http.server.port, "127.0.0.1");
      socket.on("data", () => undefined);
      socket.on("close", () => resolve("closed"));
    });
    expect(ended).toBe("closed");
  });

  it("that announces or sends a huge body is refused", async () => {
    const announced = await http.raw(
      http.head("POST /api/v1/tasks", JSON_TYPE, "Content-Length: 99999999999", "Connection: close"),
    );
    expect(announced).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s);
    const chunk = `${(65_536).toString(16)}\r\n${"x".repeat(65_536)}\r\n`;
    const chunked = await http.raw(
      http.head("POST /api/v1/tasks", JSON_TYPE, "Transfer-Encoding: chunked", "Connection: close"),
      ...Array.from({ length: 10 }, () => chunk),
      "0\r\n\r\n",
    );
    // It may be cut off while it still writes, and then never reads the answer.
    expect(["", "HTTP/1.1 413"]).toContain(chunked.slice(0, 12));
  });

  it.each([
    ["both lengths", ["Content-Length: 2", "Transfer-Encoding: chunked"], "0\r\n\r\n"],
    ["two lengths", ["Content-Length: 2", "Content-Length: 3"], "{}"],
    ["a length that is none", ["Content-Length: +2"], "{}"],
    ["an encoding that hides", ["Transfer-Encoding: xchunked"], "{}"],
    ["a folded header", ["X: a", " Transfer-Encoding: chunked"], "{}"],
    ["a header without a name", [": chunked"], "{}"],
    ["a NUL", ["X: a\0b"], "{}"],
  ])("that smuggles by %s is refused", async (_, headers, body) => {
    const request = http.head("POST /api/v1/tasks", JSON_TYPE, ...headers, "Connection: close");
    expect(await http.raw(request, body)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("that sends ten thousand headers, or a long one, is refused", async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `X-${index}: 1`);
    expect(await http.raw(http.head("GET /api/v1/queues", ...many))).toMatch(/^HTTP\/1\.1 431 |^$/);
    const long = http.head("GET /api/v1/queues", `X: ${"a".repeat(20_000)}`);
    expect(await http.raw(long)).toMatch(/^HTTP\/1\.1 431 .*HEADERS_TOO_LARGE/s);
    expect(await http.raw(`GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it.each([
    ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a method of its own", "STEAL /livez HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["another version", "GET /livez HTTP/9.9\r\nHost: a\r\n\r\n"],
    ["no host", "GET /api/v1/queues HTTP/1.1\r\n\r\n"],
  ])("that speaks %s is refused", async (_, bytes) => {
    expect(await http.raw(bytes)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("that wants another protocol or a tunnel gets none", async () => {
    const upgrade = http.head("GET /api/v1/queues", "Connection: Upgrade", "Upgrade: websocket");
    expect(await http.raw(upgrade)).not.toMatch(/^HTTP\/1\.1 101 /);
    const tunnel = await http.raw("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n");
    expect(tunnel).not.toMatch(/^HTTP\/1\.1 2/);
  });

  it("that names two hosts is refused", async () => {
    const two = http.head("GET /api/v1/queues", "Host: evil.example", "Connection: close");
    expect(await http.raw(two)).toMatch(/^HTTP\/1\.1 (?:400|421) /);
  });

  it("that writes its path or its parameters badly is refused", async () => {
    for (const path of [
      "/api/v1/tasks/%",
      "/api/v1/tasks/%ff",
      "/api/v1/queues/%00/pause",
      `/api/v1/tasks/${"a".repeat(5_000)}`,
    ]) {
      const { status } = await http.get(path);
      expect({
        path: path.slice(0, 30),
        isRefused: status === 400 || status === 404 || status === 414,
      }).toEqual({
        path: path.slice(0, 30),
        isRefused: true,
      });
    }
    for (const query of [
      "limit=1e9",
      "limit=-1",
      "state=dead",
      "__proto__=1",
      "queue=a&queue=b",
      "state[]=failed",
      "name=%00",
    ]) {
      expect({ query, status: (await http.get(`/api/v1/tasks?${query}`)).status }).toEqual({
        query,
        status: 400,
      });
    }
  });

  it("is answered in order when it pipelines, and held to its rate", async () => {
    const one = http.head("GET /livez");
    const last = http.head("GET /livez", "Connection: close");
    const few = await http.raw(one.repeat(20) + last);
    expect(few.match(/HTTP\/1\.1 200 /g)).toHaveLength(21);
    const stranger = (head: string): string => head.replace(/^Authorization.*\r\n/m, "");
    const many = await http.raw(stranger(one).repeat(3_000) + stranger(last));
    expect(many.match(/HTTP\/1\.1 429 /g)?.length).toBeGreaterThan(2_500);
    expect(many).toMatch(/retry-after: 1/);
  });

  it("is held to its token's rate, which leaves other tokens alone", async () => {
    const busy = await HttpYard.open({ limits: { requestsPerS: 30 } });
    try {
      const path = `GET /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:${busy.server.port}\r\n`;
      const head = (role: "operator" | "viewer", rest = ""): string =>
        `${path}Authorization: Bearer ${busy.tokens[role]}\r\n${rest}\r\n`;
      const close = "Connection: close\r\n";
      const many = await busy.raw(
        head("operator").repeat(300) + head("viewer").repeat(10) + head("operator", close),
      );
      const answers = many.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)) ?? [];
      expect(answers).toHaveLength(311);
      expect(answers.slice(0, 300).filter((status) => status === "429").length).toBeGreaterThan(100);
      expect(answers.slice(300, 310)).toEqual(Array(10).fill("200"));
    } finally {
      await busy.close();
    }
  });

  it("that leaves early takes nothing with it", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold" });
    for (const path of ["result?waitMs=60000", "events"]) {
      for (let round = 0; round < 10; round += 1) {
        await new Promise<void>((resolve) => {
          const socket = connect(http.server.port, "127.0.0.1", () => {
            socket.end(http.head(`GET /api/v1/tasks/${body["id"]}/${path}`), () => socket.destroy());
          });
          socket.on("close", () => resolve());
        });
      }
    }
    // Waits are counted: these ones would find no room if those that left still had theirs.
    await expect.poll(() => longPoll(body["id"])).toBe(200);
  });

  it("may hold only so many waits", async () => {
    const { body } = await http.post("/api/v1/tasks?accepted=true", { name: "hold" });
    const waits = Array.from({ length: 6 }, () =>
      http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=60000`),
    );
    const refused = Promise.all(waits).then((all) => all.filter(({ status }) => status === 429).length);
    await expect.poll(() => longPoll(body["id"])).toBe(429);
    http.release();
    expect(await refused).toBe(3);
  });
});

describe("a hostile body", () => {
  it.each([
    ["__proto__", '{"name":"echo","input":{"__proto__":{"isAdmin":true}}}'],
    ["an escaped __proto__", '{"name":"echo","input":{"__pr\\u006fto__":{"isAdmin":true}}}'],
    ["__proto__ at the top", '{"__proto__":{"name":"echo"},"name":"echo"}'],
    ["constructor.prototype", '{"name":"echo","input":{"constructor":{"prototype":{"isAdmin":true}}}}'],
    ["deep arrays", `{"name":"echo","input":${"[".repeat(40_000)}${"]".repeat(40_000)}}`],
    ["deep objects", `{"name":"echo","input":${'{"a":'.repeat(15_000)}1${"}".repeat(15_000)}}`],
    ["no JSON", "name=echo"],
    ["half of it", '{"name":"echo"'],
    ["not an object", "[]"],
    ["a string", '"echo"'],
    ["null", "null"],
    ["nothing", ""],
    ["keys of ours", '{"name":"echo","tx":"x","maxPayloadBytes":1}'],
  ])("with %s is refused", async (_, body) => {
    const { status } = await http.call("POST", "/api/v1/tasks", body, {
      authorization: `Bearer ${http.tokens.producer}`,
    });
    expect(status).toBe(400);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it("with hostile names comes back as JSON and as nothing else", async () => {
    const name = `</script><img src=x onerror="alert(1)">'"\u2028`;
    const { body } = await http.post("/api/v1/tasks?accepted=true", {
      name: "boom",
      attempts: 1,
      queue: name,
      input: name,
    });
    await http.get(`/api/v1/tasks/${body["id"]}/result?waitMs=20000`);
    const answer = await http.get(`/api/v1/tasks/${body["id"]}`);
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(answer.body).toMatchObject({ queue: name, error: { message: name } });
    const { body: values } = await http.get(`/api/v1/tasks/${body["id"]}/values`);
    expect(values["input"]).toEqual({ json: JSON.stringify(name), isCut: false });
  });
});

async function longPoll(id: string | undefined): Promise<number> {
  return (await http.get(`/api/v1/tasks/${id}/result?waitMs=1`)).status;
}
