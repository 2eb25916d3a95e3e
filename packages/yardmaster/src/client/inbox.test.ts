import { afterEach, describe, expect, it } from "vitest";
import { PlayedDispatcher } from "../../test/played-dispatcher.ts";
import { defineTask } from "../definition.ts";
import type { Engine } from "../engine.ts";
import { createMemoryWorld } from "../memory/world.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { startClient } from "./client.ts";

const double = defineTask<number, number>({ name: "double" });

describe("a client on an engine that loses connections", () => {
  const closings: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closings.splice(0)) await close();
  });

  it("stays present while it opens its mailbox again, and asks for what it missed", async () => {
    const host = createManualHost();
    const world = createMemoryWorld(host);
    const real = world.open();
    const { presence } = real.broker;
    let changed: (isHeld: boolean) => void = () => undefined;
    let holds = 0;
    let releases = 0;
    const engine: Engine = {
      ...real,
      broker: {
        ...real.broker,
        presence: {
          provesDeath: false,
          absent: presence.absent,
          hold: async (name, tell = () => undefined) => {
            holds += 1;
            changed = tell;
            const release = await presence.hold(name);
            return async () => {
              releases += 1;
              await release();
            };
          },
        },
      },
    };
    const client = await startClient({ engine, host });
    const dispatcher = await PlayedDispatcher.start(world.open());
    closings.push(async () => {
      const closing = client.close({ timeoutMs: 1_000 });
      await host.advance(2_000);
      await closing;
      await dispatcher.close();
    });
    const task = await client.submit(double, 1);
    const result = task.result();
    await host.settle();
    const [submission] = dispatcher.submissions;
    if (submission === undefined) throw new Error("nothing was submitted");
    const [mailbox = ""] = await real.broker.mailboxes("client:");
    changed(false);
    await real.broker.remove(mailbox);
    await dispatcher.keepTask(submission, "succeeded", { result: "2" });
    changed(true);
    await host.advance(500);
    expect(await result).toBe(2);
    expect(await real.broker.mailboxes("client:")).toEqual([mailbox]);
    expect([holds, releases]).toEqual([1, 0]);
  });
});
