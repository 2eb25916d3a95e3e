import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const environment = z.record(z.string(), z.string());
const service = z.strictObject({
  image: z.string().regex(/^[a-z]+:\d+$/),
  command: z.array(z.string()).optional(),
  hostname: z.string().optional(),
  environment: environment.optional(),
  ports: z.array(z.string()).length(1),
  volumes: z.array(z.string()).length(1),
  healthcheck: z.strictObject({
    test: z.array(z.string()).min(2),
    interval: z.string(),
    timeout: z.string().optional(),
  }),
});
const compose = z.strictObject({
  services: z.strictObject({ redis: service, rabbitmq: service, postgres: service }),
  volumes: z.record(z.string(), z.null()),
});

const read = (name: string): string => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

/* There may be no Docker where tests run: this holds the file to its format and to what the README says of it. */
describe("docker-compose.yml", () => {
  const { services, volumes } = compose.parse(parse(read("docker-compose.yml")));

  it("keeps what each server has, and opens it to this machine only", () => {
    for (const { ports, volumes: mounts } of Object.values(services)) {
      expect(ports[0]).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
      expect(Object.keys(volumes)).toContain(mounts[0]?.split(":")[0]);
    }
  });

  it("starts Redis so that nothing confirmed is lost or evicted", () => {
    expect(services.redis.command?.join(" ")).toBe(
      "redis-server --appendonly yes --appendfsync always --maxmemory-policy noeviction",
    );
  });

  it("is where the README's URLs lead", () => {
    const urls = [
      ...read("README.md").matchAll(
        /(?:redis|amqp|postgres):\/\/[\w:@]+localhost[\w/]*|redis:\/\/localhost/g,
      ),
    ];
    const found = new Map(urls.map(([text]) => [new URL(text).protocol, new URL(text)]));
    expect([...found.keys()].sort()).toEqual(["amqp:", "postgres:", "redis:"]);
    const amqp = found.get("amqp:");
    expect(services.rabbitmq.environment).toEqual({
      RABBITMQ_DEFAULT_USER: amqp?.username,
      RABBITMQ_DEFAULT_PASS: amqp?.password,
    });
    expect(found.get("postgres:")?.username).toBe("postgres");
    expect(services.postgres.environment).toEqual({ POSTGRES_PASSWORD: found.get("postgres:")?.password });
  });
});
