import { describe, expect, it } from "vitest";
import { submitLane } from "../engine.ts";
import { createMemoryWorld } from "../memory/world.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { Lane } from "./lane.ts";

const MAILBOX = submitLane(0);

/** A lane whose mailbox had frames of these sizes, and what each drain takes of them until nothing is left. */
async function drains(leavesPart: boolean, sizes: readonly number[]): Promise<number[][]> {
  const host = createManualHost();
  const { broker } = createMemoryWorld(host).open();
  await broker.declare(MAILBOX, { durable: true });
  await broker.send(sizes.map((size) => ({ mailbox: MAILBOX, frame: Buffer.alloc(size) })));
  const on = { arrival: () => undefined, failure: (error: unknown) => Promise.reject(error) };
  const lane = await Lane.open(MAILBOX, broker.receive(MAILBOX), on, leavesPart);
  const taken: number[][] = [];
  for (await host.settle(); !lane.isEmpty; await host.settle())
    taken.push(lane.drain().map(({ frame }) => frame.length));
  await lane.close();
  return taken;
}

describe("what a tick takes of a lane", () => {
  const kib = (...sizes: number[]): number[] => sizes.map((size) => size * 1024);

  it("is all of little", async () => {
    expect(await drains(true, kib(20, 20, 8))).toEqual([kib(20, 20, 8)]);
  });

  it("is half of much, in order, so that the rest is under way in another stage", async () => {
    expect(await drains(true, kib(40, 40))).toEqual([kib(40), kib(40)]);
    expect(await drains(true, kib(20, 30, 40))).toEqual([kib(20), kib(30), kib(40)]);
    expect(await drains(true, kib(30, 30, 30, 30))).toEqual([kib(30, 30), kib(30), kib(30)]);
  });

  it("is one frame at least, however large", async () => {
    expect(await drains(true, kib(300, 1))).toEqual([kib(300), kib(1)]);
  });

  it("leaves in the mailbox what is more than a few ticks need", async () => {
    const host = createManualHost();
    const { broker } = createMemoryWorld(host).open();
    await broker.declare(MAILBOX, { durable: true });
    const frame = Buffer.alloc(40 * 1024);
    await broker.send(Array.from({ length: 20 }, () => ({ mailbox: MAILBOX, frame })));
    let arrivals = 0;
    const on = { arrival: () => (arrivals += 1), failure: (error: unknown) => Promise.reject(error) };
    const lane = await Lane.open(MAILBOX, broker.receive(MAILBOX), on, true);
    await host.settle();
    expect(arrivals).toBe(1);
    lane.drain();
    await host.settle();
    expect(arrivals).toBe(1);
    for (; !lane.isEmpty; await host.settle()) lane.drain();
    expect(arrivals).toBeGreaterThan(5);
    await lane.close();
  });

  it("is all that was taken from the mailbox where commits hold everybody up", async () => {
    expect(await drains(false, kib(40, 40, 40))).toEqual([kib(40, 40, 40)]);
  });
});
