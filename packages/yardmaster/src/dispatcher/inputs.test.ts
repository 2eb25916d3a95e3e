import { expect, it } from "vitest";
import type { Receiver } from "../brokers/broker.ts";
import { createMemoryWorld } from "../memory/world.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { Inputs } from "./inputs.ts";

it("closes a lane that opens while it is closed, however near the two are", async () => {
  for (let microtasks = 0; microtasks < 15; microtasks++) {
    const host = createManualHost();
    const engine = createMemoryWorld(host).open();
    const receivers: Receiver[] = [];
    let closed = 0;
    let open = (): void => undefined;
    const isOpen = new Promise<void>((resolve) => {
      open = resolve;
    });
    const receive = async (mailbox: string): Promise<Receiver> => {
      const receiver = await engine.broker.receive(mailbox);
      await isOpen;
      receivers.push(receiver);
      return {
        take: (limits) => receiver.take(limits),
        close: () => receiver.close().then(() => void closed++),
      };
    };
    const inputs = new Inputs({ ...engine, broker: { ...engine.broker, receive } }, 0, {
      arrival: () => undefined,
      failure: () => undefined,
    });
    const opening = inputs.openSubmissions();
    await host.settle();
    open();
    for (let count = 0; count < microtasks; count++) await undefined;
    await inputs.close();
    await opening;
    await host.settle();
    expect([microtasks, receivers.length, closed]).toEqual([microtasks, 1, 1]);
  }
});
