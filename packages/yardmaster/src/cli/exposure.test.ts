import { describe, expect, it } from "vitest";
import { exposure } from "./exposure.ts";

describe("what doctor says of an engine's exposure", () => {
  it.each([
    "redis://localhost:6379/0",
    "amqp://127.0.0.1/",
    "postgres://[::1]/db",
    "postgres:///db?host=/run/postgresql",
    "memory:test",
  ])("is nothing of %s, which only this machine reaches", (url) => {
    expect(exposure({ url }, false)).toEqual([]);
  });

  it.each([
    ["redis://redis.example:6379/0", ["not encrypted", "without a password", "not signed"]],
    ["rediss://:secret@redis.example:6379/0", ["not signed"]],
    ["amqp://user:secret@rabbit.example/", ["not encrypted", "not signed"]],
    ["postgres://user:secret@db.example/yard", ["not encrypted", "not signed"]],
    ["postgres://user:secret@db.example/yard?sslmode=verify-full", ["not signed"]],
  ])("names what is open of %s, and no secret", (url, warnings) => {
    const lines = exposure({ url }, false);
    expect(lines).toHaveLength(warnings.length);
    for (const [index, warning] of warnings.entries()) expect(lines[index]).toContain(warning);
    expect(lines.join("\n")).not.toContain("secret");
    expect(exposure({ url }, true)).toHaveLength(warnings.length - 1);
  });

  it("looks at both halves of a pair", () => {
    const lines = exposure({ broker: "amqp://u:p@a.example/", store: "redis://:p@b.example/0" }, true);
    expect(lines).toEqual([expect.stringContaining("a.example"), expect.stringContaining("b.example")]);
  });
});
