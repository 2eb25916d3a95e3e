import { beforeEach, describe, expect, it } from "vitest";
import type { Broker, Delivery } from "../brokers/broker.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { Acks } from "./link.ts";

/** A broker of parts, each of which answers when it is told to; a tag begins with the number of its part. */
class Parts {
  readonly acked: unknown[] = [];
  readonly answers: ((error?: Error) => void)[] = [];

  readonly broker: Pick<Broker, "send" | "partOf"> = {
    partOf: (place) => ("tag" in place ? Number(String(place.tag)[0]) : 0),
    send: (_, acks = []) =>
      new Promise((resolve, reject) => {
        this.answers.push((error) => {
          if (error !== undefined) return reject(error);
          this.acked.push(...acks.map(({ tag }) => tag));
          resolve([]);
        });
      }),
  };

  /** Lets the oldest call end that has not. */
  answer(error?: Error): void {
    this.answers.shift()?.(error);
  }
}

function delivery(tag: string): Delivery {
  return { mailbox: "client:c", frame: "", tag, redelivered: false } as unknown as Delivery;
}

describe("the acknowledgements of a client", () => {
  let host: ManualHost;
  let parts: Parts;
  let acks: Acks;

  beforeEach(() => {
    host = createManualHost();
    parts = new Parts();
    acks = new Acks(parts.broker as Broker, host);
  });

  it("go on with what comes while others are on their way", async () => {
    acks.add([delivery("0 a")]);
    await host.advance(25);
    acks.add([delivery("0 b")]);
    await host.advance(25);
    parts.answer();
    await host.advance(25);
    parts.answer();
    await host.settle();
    expect(parts.acked).toEqual(["0 a", "0 b"]);
  });

  it("do not wait for another part, which does not answer", async () => {
    acks.add([delivery("1 a"), delivery("0 a")]);
    await host.advance(25);
    const [, answered = () => undefined] = parts.answers;
    answered();
    acks.add([delivery("0 b"), delivery("1 b")]);
    await host.advance(25);
    parts.answers[2]?.();
    await host.settle();
    expect(parts.acked).toEqual(["0 a", "0 b"]);
    expect(parts.answers).toHaveLength(3);
  });

  it("are tried again where they were refused", async () => {
    acks.add([delivery("0 a"), delivery("1 a")]);
    await host.advance(25);
    parts.answer(new YardmasterError("BROKER_UNAVAILABLE", "away"));
    await host.advance(1_000);
    expect(parts.answers).toHaveLength(2);
    parts.answer();
    parts.answer();
    await host.settle();
    expect(parts.acked).toEqual(["1 a", "0 a"]);
  });
});
