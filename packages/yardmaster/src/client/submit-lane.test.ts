import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PlayedDispatcher } from "../../test/played-dispatcher.ts";
import type { Broker } from "../brokers/broker.ts";
import { defineTask } from "../definition.ts";
import { type Engine, submitLane } from "../engine.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { type Client, startClient } from "./client.ts";

const text = defineTask<string, string>({ name: "text" });

let host: ManualHost;
let world: MemoryWorld;
let engine: MemoryEngine;
let dispatcher: PlayedDispatcher;
let client: Client;
/** What the next sends to the submit lane do instead of succeeding. */
let faults: ((send: () => ReturnType<Broker["send"]>) => ReturnType<Broker["send"]>)[];

beforeEach(async () => {
  faults = [];
  host = createManualHost();
  world = createMemoryWorld(host);
  engine = world.open();
  client = await startClient({ engine: faulty(engine), host });
  dispatcher = await PlayedDispatcher.start(world.open());
});

afterEach(async () => {
  const closing = client.close({ timeoutMs: 1_000 }).catch((error: unknown) => error);
  await host.advance(5_000);
  await closing;
  await dispatcher.close();
});

function faulty(sound: Engine): Engine {
  const { broker } = sound;
  const send: Broker["send"] = (sends, acks) => {
    const go = () => broker.send(sends, acks);
    const fault = sends.some(({ mailbox }) => mailbox === submitLane(0)) ? faults.shift() : undefined;
    return fault === undefined ? go() : fault(go);
  };
  return { ...sound, broker: { ...broker, send } };
}

const lost = () => Promise.reject(new YardmasterError("BROKER_UNAVAILABLE", "connection reset"));
const full = () => Promise.reject(new YardmasterError("STORE_FULL", "no space left"));
const hang = () => new Promise<never>(() => undefined);
const sentButUnknown = async (send: () => ReturnType<Broker["send"]>) => {
  await send();
  return lost();
};

describe("a submission whose sending fails", () => {
  it("is sent again as a copy under the same number", async () => {
    faults = [sentButUnknown, lost];
    const submitted = client.submit(text, "a");
    await host.advance(1_000);
    const { id } = await submitted;
    expect(dispatcher.frames.map(({ sequence }) => sequence)).toEqual([1, 1]);
    expect(dispatcher.submissions).toMatchObject([
      { id, copy: false, payload: '"a"' },
      { id, copy: true, payload: '"a"' },
    ]);
  });

  it("gives up after 30 s, saying that nobody knows", async () => {
    faults = Array.from({ length: 100 }, () => lost);
    const first = expect(client.submit(text, "a")).rejects.toMatchObject({
      code: "BROKER_UNAVAILABLE",
      message: expect.stringContaining("nobody knows whether it has it"),
    });
    await host.advance(10_000);
    const second = expect(client.submit(text, "b")).rejects.toMatchObject({ code: "BROKER_UNAVAILABLE" });
    await host.advance(25_000);
    await first;
    await second;
    faults = [];
    const third = client.submit(text, "c");
    await host.settle();
    await third;
    expect(dispatcher.submissions).toMatchObject([{ payload: '"c"', copy: false }]);
  });

  it("fails at once where the engine is full", async () => {
    faults = [full];
    await expect(client.submit(text, "a")).rejects.toMatchObject({ code: "STORE_FULL", retryable: true });
    await client.submit(text, "b");
    await host.settle();
    expect(dispatcher.submissions).toMatchObject([{ payload: '"b"' }]);
  });

  it("is not said to be refused by a full engine that may have taken it before", async () => {
    faults = [sentButUnknown, ...Array.from({ length: 100 }, () => full)];
    const submitted = expect(client.submit(text, "a")).rejects.toMatchObject({
      code: "BROKER_UNAVAILABLE",
      message: expect.stringContaining("nobody knows whether it has it"),
    });
    await host.advance(35_000);
    await submitted;
    expect(dispatcher.submissions).toMatchObject([{ payload: '"a"', copy: false }]);
  });

  it("does not hold up what comes behind it, which a full engine refuses for certain", async () => {
    faults = [sentButUnknown, full, full];
    const first = client.submit(text, "a");
    await host.settle();
    const second = expect(client.submit(text, "b")).rejects.toMatchObject({ code: "STORE_FULL" });
    await host.advance(100);
    await second;
    await host.advance(1_000);
    await first;
    expect(dispatcher.submissions.map(({ payload }) => payload)).toEqual(['"a"', '"a"']);
  });

  it("goes through where the engine is full only for a while after it may have taken it", async () => {
    faults = [sentButUnknown, full];
    const submitted = client.submit(text, "a");
    await host.advance(1_000);
    await submitted;
    expect(dispatcher.submissions).toMatchObject([{ copy: false }, { copy: true }]);
  });

  it("leaves what was acknowledged with it to be acknowledged alone", async () => {
    await client.submit(text, "a");
    await host.settle();
    await dispatcher.answerAll();
    await host.settle();
    const [mailbox = ""] = await dispatcher.mailboxes();
    faults = [full];
    await expect(client.submit(text, "b")).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(await engine.broker.depth(mailbox)).toBe(1);
    await host.advance(100);
    expect(await engine.broker.depth(mailbox)).toBe(0);
  });

  it("touches nothing of what comes to be acknowledged meanwhile", async () => {
    await client.submit(text, "a");
    await host.settle();
    let refuse = (): void => undefined;
    faults = [
      async () => {
        await new Promise<void>((resolve) => {
          refuse = resolve;
        });
        return full();
      },
    ];
    const refused = expect(client.submit(text, "b")).rejects.toMatchObject({ code: "STORE_FULL" });
    await host.settle();
    await dispatcher.answerAll();
    await host.settle();
    const [mailbox = ""] = await dispatcher.mailboxes();
    expect(await engine.broker.depth(mailbox)).toBe(1);
    refuse();
    await refused;
    await host.advance(100);
    expect(await engine.broker.depth(mailbox)).toBe(0);
  });

  it("declares a lane that is gone", async () => {
    await engine.broker.remove(submitLane(0));
    await client.submit(text, "a");
    expect(await engine.broker.depth(submitLane(0))).toBe(1);
  });

  it("that nobody could read is refused alone", async () => {
    const wide = defineTask<string, string>({ name: "wide" });
    const broken = { ...wide, spec: { ...wide.spec, attempts: -1 } };
    const sent = await Promise.allSettled([
      client.submit(text, "a"),
      client.submit(broken, "b"),
      client.submit(text, "c"),
    ]);
    expect(sent.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    await host.settle();
    expect(dispatcher.submissions.map(({ payload }) => payload)).toEqual(['"a"', '"c"']);
  });
});

describe("backpressure", () => {
  const mebibyte = "x".repeat(1024 * 1024 - 100);

  it("lets no more than 16 MiB wait for the broker, and loses nothing of the rest", async () => {
    let release = (): void => undefined;
    faults = [
      async (send) => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return send();
      },
    ];
    const all = Promise.all(Array.from({ length: 40 }, () => client.submit(text, mebibyte)));
    await host.settle();
    expect(dispatcher.frames).toHaveLength(0);
    release();
    const ids = (await all).map(({ id }) => id);
    await host.settle();
    expect(dispatcher.submissions.map(({ id }) => id)).toEqual(ids);
  });

  it("stops submitMany from reading on", async () => {
    faults = [hang];
    let read = 0;
    function* inputs(): Generator<string> {
      for (;;) {
        read += 1;
        yield mebibyte;
      }
    }
    const tasks = client.submitMany(text, inputs());
    const first = tasks.next().catch((error: unknown) => error);
    await host.settle();
    expect(read).toBeGreaterThan(1);
    expect(read).toBeLessThan(30);
    const closing = client.close({ timeoutMs: 1_000 }).catch((error: unknown) => error);
    await host.advance(1_000);
    expect(await first).toMatchObject({ code: "CLOSED" });
    expect(await closing).toMatchObject({ code: "TIMED_OUT_CLOSING" });
  });
});

describe("close", () => {
  it("settles in its time while the broker hangs, and fails what was not confirmed", async () => {
    faults = [hang];
    const submitted = expect(client.submit(text, "a")).rejects.toMatchObject({ code: "CLOSED" });
    const closing = expect(client.close({ timeoutMs: 500 })).rejects.toMatchObject({
      code: "TIMED_OUT_CLOSING",
    });
    await host.advance(500);
    await submitted;
    await closing;
  });
});
