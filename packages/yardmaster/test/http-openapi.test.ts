import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROUTES } from "../src/http/routes.ts";
import { HttpYard } from "./http-yard.ts";

let http: HttpYard;
let document: Record<string, Record<string, Record<string, unknown>>>;

beforeAll(async () => {
  http = await HttpYard.open();
  document = (await http.get("/openapi.json")).body;
});

afterAll(() => http.close());

describe("/openapi.json", () => {
  it("is valid OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(document["openapi"]).toBe("3.1.0");
  });

  it("has every route, with its errors and who may call it", () => {
    const shown = Object.entries(document["paths"] ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routes = ROUTES.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(shown.sort()).toEqual(routes.sort());
    const submit = document["paths"]?.["/api/v1/tasks"]?.["post"];
    expect(submit).toMatchObject({
      security: [{ token: [] }],
      description: "Roles: admin, producer.",
      requestBody: {
        content: { "application/json": { schema: { $ref: "#/components/schemas/SubmissionInput" } } },
      },
      responses: { "201": {}, default: { content: { "application/problem+json": {} } } },
    });
    expect(document["components"]?.["schemas"]?.["SubmissionInput" as never]).toMatchObject({
      type: "object",
      required: ["name"],
      additionalProperties: false,
    });
  });
});
