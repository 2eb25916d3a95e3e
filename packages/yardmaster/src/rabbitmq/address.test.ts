import { describe, expect, it } from "vitest";
import { parseRabbitUrl, whereIs } from "./address.ts";

describe("the URL of a RabbitMQ server", () => {
  it("has defaults for everything but the host", () => {
    expect(parseRabbitUrl("amqp://broker")).toEqual({
      protocol: "amqp",
      hostname: "broker",
      port: 5672,
      username: "guest",
      password: "guest",
      vhost: "/",
      yard: "yardmaster",
    });
    expect(parseRabbitUrl("amqps://broker/").port).toBe(5671);
  });

  it("says who, where, which vhost and which yard", () => {
    expect(parseRabbitUrl("amqps://ann:p%40ss@[::1]:5999/shop%2Fa?yard=orders")).toEqual({
      protocol: "amqps",
      hostname: "::1",
      port: 5999,
      username: "ann",
      password: "p@ss",
      vhost: "shop/a",
      yard: "orders",
    });
    expect(parseRabbitUrl("amqp://h/%2f").vhost).toBe("/");
    expect(whereIs(parseRabbitUrl("amqp://ann:secret@[::1]"))).toBe("[::1]:5672");
  });

  it("is refused with a reason, and without its password", () => {
    const refused = (url: string): string => {
      try {
        parseRabbitUrl(url);
        return "taken";
      } catch (error) {
        return String(error);
      }
    };
    expect(refused("amqp://")).toContain("names no host");
    expect(refused("amqp://h/a/b")).toContain("%2F");
    expect(refused("amqp://h/%zz")).toContain("%25");
    expect(refused("amqp://h?frameMax=1")).toContain('no parameter "frameMax"');
    expect(refused("amqp://h?yard=A")).toContain("a yard's name");
    expect(refused("amqp://h#x")).toContain("fragment");
    expect(refused("amqp://ann:secret@h:port")).toMatch(/no URL/);
    expect(refused("amqp://ann:secret@h:port")).not.toContain("secret");
  });
});
