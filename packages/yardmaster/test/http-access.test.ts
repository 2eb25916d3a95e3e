import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROLES, type Role } from "../src/http/api.ts";
import type { Route } from "../src/http/route.ts";
import { ROUTES } from "../src/http/routes.ts";
import { createToken } from "../src/http.ts";
import { type Answer, HttpYard } from "./http-yard.ts";

const ID = "01900000-0000-7000-8000-000000000000";
const CASES: [string, Route][] = ROUTES.map((route) => [`${route.method} ${route.path}`, route]);
const GUARDED: [string, Route][] = CASES.filter(([, { roles }]) => roles !== null);
const WRITES: [string, Route][] = CASES.filter(([, { method }]) => method === "POST");

let http: HttpYard;

beforeAll(async () => {
  http = await HttpYard.open({ limits: { strangersPerS: 10_000 } });
});

afterAll(async () => {
  await http.close();
  expect(http.defects).toEqual([]);
});

function call(route: Route, headers: Record<string, string> = {}): Promise<Answer> {
  const path = route.path.replace(":id", ID).replace(":name", "nobody");
  return http.call(route.method, path, route.method === "POST" ? "{}" : undefined, headers);
}

function bearer(role: Role): Record<string, string> {
  return { authorization: `Bearer ${http.tokens[role]}` };
}

describe("every route", () => {
  it("is known", () => {
    expect(CASES.length).toBeGreaterThan(15);
    expect(CASES.filter(([, { roles }]) => roles === null).map(([name]) => name)).toEqual([
      "GET /livez",
      "GET /readyz",
    ]);
  });

  it.each(GUARDED)("takes a token: %s", async (_, route) => {
    expect(await call(route)).toMatchObject({ status: 401, body: { code: "UNAUTHENTICATED" } });
    const answer = await call(route, { authorization: "Bearer " });
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="yardmaster"');
  });

  it.each(GUARDED)("takes no other token, and none elsewhere: %s", async (_, route) => {
    const good = http.tokens.admin;
    const wrong: Record<string, string>[] = [
      { authorization: `Bearer ${createToken()}` },
      { authorization: `Bearer ${good}x` },
      { authorization: `Bearer ${good.slice(0, -1)}` },
      { authorization: `Bearer ${good} ${good}` },
      { authorization: `Basic ${btoa(`admin:${good}`)}` },
      { authorization: good },
      { cookie: `token=${good}; authorization=Bearer ${good}` },
      { "x-api-key": good },
    ];
    for (const headers of wrong) expect((await call(route, headers)).status).toBe(401);
  });

  it.each(GUARDED)("lets in the roles that it names and admins: %s", async (_, route) => {
    for (const role of ROLES) {
      const may = role === "admin" || route.roles?.includes(role) === true;
      const { status } =
        route.answer === null ? await streamed(route, role) : await call(route, bearer(role));
      expect({ role, isForbidden: status === 403 }).toEqual({ role, isForbidden: !may });
      expect(status).not.toBe(401);
      expect(status).toBeLessThan(500);
    }
  });

  it.each(GUARDED)("knows its own names only: %s", async (_, route) => {
    const path = route.path.replace(":id", ID).replace(":name", "nobody");
    const { port } = http.server;
    const wrong = [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1",
      "localhost:1",
      `127.0.0.1:${port}.evil.example`,
      "",
    ];
    for (const host of wrong) {
      const request = http.head(
        `${route.method} ${path}`,
        "Connection: close",
        "Content-Type: application/json",
      );
      const answer = await http.raw(request.replace(/^Host: .*$/m, `Host: ${host}`));
      expect({ host, status: answer.slice(9, 12) }).toEqual({ host, status: "421" });
    }
  });

  it.each(GUARDED)("refuses pages of other origins: %s", async (_, route) => {
    const { port } = http.server;
    const wrong = [
      "https://evil.example",
      "null",
      `https://127.0.0.1:${port}`,
      `http://127.0.0.1:${port + 1}`,
      `http://127.0.0.1:${port}.evil.example`,
    ];
    for (const origin of wrong) {
      const answer = await call(route, { ...bearer("admin"), origin });
      expect({ origin, status: answer.status, code: answer.body["code"] }).toEqual({
        origin,
        status: 403,
        code: "WRONG_ORIGIN",
      });
    }
  });

  it.each(CASES)(
    "sends what browsers need to be safe, and lets no other origin read: %s",
    async (_, route) => {
      const answers = [
        await call(route),
        await call(route, { ...bearer("viewer"), origin: "https://evil.example" }),
      ];
      for (const { headers } of answers) {
        expect(headers.get("content-security-policy")).toBe(
          "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        );
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        expect(headers.get("cache-control")).toBe("no-store");
        expect(headers.get("content-type")).toMatch(/json/);
        expect(headers.get("x-request-id")).toMatch(/^[0-9a-z]{26}$/);
        expect([...headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
      }
    },
  );

  it.each(WRITES)("is not reached by a form: %s", async (_, route) => {
    const path = route.path.replace(":id", ID).replace(":name", "nobody");
    const types = [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/jsonp",
    ];
    for (const type of types) {
      const { status } = await http.call("POST", path, "{}", { ...bearer("admin"), "content-type": type });
      expect({ type, status }).toEqual({ type, status: 415 });
    }
    const bare = await http.raw(http.head(`POST ${path}`, "Connection: close", "Content-Length: 0"));
    expect(bare).toMatch(/^HTTP\/1\.1 415 /);
  });
});

describe("other paths and methods", () => {
  it.each([
    ["GET", "/api"],
    ["GET", "/api/v1/tasks/../../etc/passwd"],
    ["GET", "/%2e%2e/%2e%2e/etc/passwd"],
    ["GET", "/openapi.json/"],
    ["HEAD", "/api/v1/tasks"],
    ["OPTIONS", "/api/v1/tasks"],
    ["DELETE", "/api/v1/tasks"],
    ["PUT", "/api/v1/queues/a/pause"],
  ])("%s %s is not found", async (method, path) => {
    const { status } = await http.call(method, path, undefined, {
      ...bearer("admin"),
      "content-type": "application/json",
    });
    expect(status).toBe(404);
  });

  it("takes the names localhost and [::1], and pages of its own", async () => {
    const { port } = http.server;
    for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
      const request = http.head(
        "GET /api/v1/queues",
        "Connection: close",
        `Origin: http://localhost:${port}`,
      );
      expect(await http.raw(request.replace(/^Host: .*$/m, `Host: ${host}`))).toMatch(/^HTTP\/1\.1 200 /);
    }
  });
});

/** Only the head: a stream may have no end. */
async function streamed(route: Route, role: Role): Promise<{ status: number }> {
  const response = await fetch(http.server.url + route.path.replace(":id", ID), { headers: bearer(role) });
  await response.body?.cancel();
  return { status: response.status };
}
