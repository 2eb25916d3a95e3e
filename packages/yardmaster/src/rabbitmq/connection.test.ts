import { describe, expect, it } from "vitest";
import { codeOf, failureOf } from "../testing/conformance.ts";
import { checkServer } from "./connection.ts";

/** What a server of this version says as a connection opens. */
async function check(version: string, product = "RabbitMQ"): Promise<string> {
  const serverProperties = { host: "", product, version, platform: "", information: "" };
  return checkServer({ connection: { serverProperties } }, "rabbit:5672");
}

describe("a RabbitMQ server", () => {
  it.each(["3.7.28", "2.9.0"])("of version %s is refused, as it has no quorum queues", async (version) => {
    const failure = await failureOf(check(version));
    expect(failure).toMatchObject({ code: "ENGINE_DENIED", retryable: false });
    expect(failure?.message).toBe(
      `The server at rabbit:5672 is RabbitMQ ${version}, and this needs quorum queues: use RabbitMQ 3.8 or newer.`,
    );
  });

  it("of another make is refused by its name", async () => {
    expect(await codeOf(check("9.1.0", "LavinMQ"))).toBe("ENGINE_DENIED");
    expect((await failureOf(check("9.1.0", "LavinMQ")))?.message).toContain("is LavinMQ 9.1.0");
  });

  it.each(["3.8.0", "3.13.7", "4.0.5"])("of version %s is taken", async (version) => {
    expect(await check(version)).toBe(`RabbitMQ ${version}`);
  });
});
