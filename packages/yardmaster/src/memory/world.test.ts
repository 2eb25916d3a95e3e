import { describe, expect, it } from "vitest";
import { systemHost } from "../host.ts";
import { codeOf, frameOf, NO_LIMITS, takeCount } from "../testing/conformance.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { createMemoryWorld } from "./world.ts";

describe("a yard in memory", () => {
  it("answers nothing that a crashed process waited for, and gives its frames to the next", async () => {
    const world = createMemoryWorld(systemHost);
    const [crashing, living] = [world.open(), world.open()];
    await crashing.broker.declare("mail", { durable: false });
    await crashing.broker.presence.hold("worker:1");
    await living.broker.send([{ mailbox: "mail", frame: frameOf("a") }]);
    const receiver = await crashing.broker.receive("mail");
    await takeCount(receiver, 1);
    const answers: unknown[] = [];
    for (const waiting of [receiver.take(NO_LIMITS)]) void waiting.then((answer) => answers.push(answer));
    crashing.crash();
    await living.broker.send([{ mailbox: "mail", frame: frameOf("b") }]);
    const taken = await takeCount(await living.broker.receive("mail"), 2);
    expect(taken.map(({ redelivered }) => redelivered)).toEqual([true, true]);
    expect(answers).toEqual([]);
    expect(await living.broker.presence.absent(["worker:1"])).toEqual(["worker:1"]);
    expect(await codeOf(crashing.broker.depth("mail"))).toBe("CLOSED");
  });

  it("counts leases on its host's clock alone", async () => {
    const host = createManualHost();
    const { store } = createMemoryWorld(host).open(systemHost);
    const lease = await store.acquire(0, "one", 15_000);
    if (lease === null) throw new Error("A new shard has an owner.");
    await host.advance(14_999);
    expect([await store.renew(lease, 15_000), await store.acquire(0, "two", 15_000)]).toEqual([true, null]);
    await host.advance(15_000);
    expect([await store.renew(lease, 15_000), (await store.holder(0))?.expired]).toEqual([false, true]);
    expect((await store.acquire(0, "two", 15_000))?.epoch).toBe(lease.epoch + 1);
  });

  it("takes in turns of its own host, so that what is sent in one go comes in one batch", async () => {
    const turns: (() => void)[] = [];
    const engine = createMemoryWorld(systemHost).open({
      ...systemHost,
      defer: (run) => void turns.push(run),
    });
    await engine.broker.declare("mail", { durable: false });
    const receiver = await engine.broker.receive("mail");
    const taken = receiver.take(NO_LIMITS);
    for (const text of ["a", "b", "c"]) await engine.broker.send([{ mailbox: "mail", frame: frameOf(text) }]);
    expect(turns.length).toBe(1);
    for (const run of turns) run();
    expect((await taken).length).toBe(3);
  });

  it("drops what was acknowledged however much passed through", async () => {
    const { broker } = createMemoryWorld(systemHost).open();
    await broker.declare("mail", { durable: false });
    const receiver = await broker.receive("mail");
    const frames = Array.from({ length: 5_000 }, () => ({ mailbox: "mail", frame: frameOf("x") }));
    for (let round = 0; round < 3; round += 1) {
      await broker.send(frames);
      await broker.send([], await takeCount(receiver, frames.length));
    }
    await broker.send([{ mailbox: "mail", frame: frameOf("last") }]);
    expect([await broker.depth("mail"), (await takeCount(receiver, 1))[0]?.redelivered]).toEqual([1, false]);
  });
});
