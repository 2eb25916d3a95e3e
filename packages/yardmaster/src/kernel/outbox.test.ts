import { expect, it } from "vitest";
import { Outbox } from "./outbox.ts";

const envelope = { type: "answered", sequence: 1 } as const;

it("numbers the frames of each worker, and no others", () => {
  const outbox = new Outbox();
  expect(outbox.frameNumber("worker:a")).toBe(1);
  for (const round of [1, 2]) {
    expect(outbox.tell("worker:a", envelope, 0)).toBe(round);
    outbox.tell("client:c", envelope, 0);
    outbox.tell("worker:a", envelope, 0);
    const frames = outbox.take();
    expect(frames.map(({ mailbox, sequence, envelopes }) => [mailbox, sequence, envelopes.length])).toEqual([
      ["worker:a", round, 2],
      ["client:c", 0, 1],
    ]);
  }
  expect(outbox.take()).toEqual([]);
});

it("opens another frame when one is full, however large one envelope is", () => {
  const outbox = new Outbox();
  for (const bytes of [2_000_000, 600_000, 400_000, 100_000]) outbox.tell("worker:a", envelope, bytes);
  expect(outbox.take().map(({ sequence, envelopes }) => [sequence, envelopes.length])).toEqual([
    [1, 1],
    [2, 2],
    [3, 1],
  ]);
});

it("tells nobody what nobody wants to hear", () => {
  const outbox = new Outbox();
  outbox.tell("", envelope, 0);
  outbox.markGone("client:c");
  outbox.tell("client:c", envelope, 0);
  expect(outbox.take()).toEqual([]);
});

it("remembers a bounded number of those that are gone", () => {
  const outbox = new Outbox();
  outbox.tell("worker:first", envelope, 0);
  outbox.take();
  for (const mailbox of [
    "worker:first",
    ...Array.from({ length: 10_000 }, (_, index) => `worker:${index}`),
  ]) {
    outbox.markDeparted(mailbox);
    outbox.markGone(`client:${mailbox}`);
  }
  expect(outbox.tell("worker:first", envelope, 0)).toBe(1);
  expect(outbox.tell("client:worker:first", envelope, 0)).toBe(1);
  expect(outbox.tell("client:worker:9999", envelope, 0)).toBe(0);
});
