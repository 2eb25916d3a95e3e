import { afterEach, describe, expect, it } from "vitest";
import { defineTask } from "../src/definition.ts";
import { controlLane, submitLane } from "../src/engine.ts";
import { encodeFrame } from "../src/protocol/frame.ts";
import { createHandlers } from "../src/worker/handlers.ts";
import { key, SecuredYard } from "./secured-yard.ts";

const echo = defineTask({ name: "echo" });
const { on } = createHandlers();
let runs = 0;
const HANDLERS = [
  on(echo, ({ input }) => {
    runs += 1;
    return input;
  }),
];
const OLD = { signing: { keys: { old: key(1) }, current: "old" } };
const BOTH = { signing: { keys: { old: key(1), new: key(2) }, current: "new" } };
const NEW = { signing: { keys: { new: key(2) }, current: "new" } };
const WRONG = { signing: { keys: { old: key(9) }, current: "old" } };

let yard = new SecuredYard();

afterEach(async () => {
  await yard.close();
  yard = new SecuredYard();
  runs = 0;
});

async function signedYard(): Promise<Awaited<ReturnType<SecuredYard["client"]>>> {
  await yard.dispatcher(OLD);
  await yard.worker(HANDLERS, OLD);
  return yard.client(OLD);
}

/** The last signed frame that went to a mailbox. */
function lastTo(mailbox: string): Buffer {
  const found = yard.sent.findLast((one) => one.mailbox === mailbox);
  if (found === undefined) throw new Error(`Nothing went to ${mailbox}.`);
  return found.frame;
}

async function inject(mailbox: string, frame: Uint8Array): Promise<void> {
  await yard.engine().broker.send([{ mailbox, frame }]);
  await yard.host.settle();
}

describe("a signed yard", () => {
  it("runs tasks, and refuses nothing of its own", async () => {
    const client = await signedYard();
    const task = await yard.driven(client.submit(echo, { a: 1 }));
    expect(await yard.driven(task.result())).toEqual({ a: 1 });
    expect(await yard.driven(client.cancel(task.id))).toBe("succeeded");
    await yard.host.advance(60_000);
    expect(yard.refusals).toEqual([]);
    expect(yard.reports).toEqual([]);
  });

  it("refuses what is not signed, and what is signed with another key", async () => {
    const client = await signedYard();
    await yard.driven((await yard.driven(client.submit(echo, 1))).result());
    const pause = { type: "command", request: 1, command: { type: "pause", queue: "default" } } as const;
    await inject(
      controlLane(0),
      encodeFrame({ from: "client:x", shard: 0, epoch: 0, sequence: 1, envelopes: [pause] }),
    );
    const forged = Buffer.from(lastTo(submitLane(0)));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    await inject(submitLane(0), forged);
    expect(yard.refusals).toEqual(["FRAME_UNTRUSTED", "FRAME_UNTRUSTED"]);
    expect(yard.alarms.at(-2)?.message).toContain("it is not signed");
    expect(yard.alarms.at(-1)?.message).toContain("its signature is wrong");
    expect(await yard.driven((await yard.driven(client.submit(echo, 2))).result())).toBe(2);
  });

  it("refuses a frame that was taken before, in its own mailbox and in another", async () => {
    const client = await signedYard();
    await yard.driven((await yard.driven(client.submit(echo, 1))).result());
    const submission = lastTo(submitLane(0));
    await inject(submitLane(0), submission);
    await inject(controlLane(0), submission);
    expect(yard.alarms.slice(-2).map(({ message }) => message)).toEqual([
      expect.stringContaining("the same frame was taken before"),
      expect.stringContaining("its signature is wrong"),
    ]);
    expect(runs).toBe(1);
  });

  it("refuses an old frame, so that nobody can submit again what is forgotten", async () => {
    const client = await signedYard();
    await yard.driven((await yard.driven(client.submit(echo, 1))).result());
    const submission = lastTo(submitLane(0));
    await yard.close();
    await yard.host.advance(24 * 3_600_000 + 60_000);
    // This dispatcher remembers no frames.
    await yard.dispatcher(OLD);
    await yard.worker(HANDLERS, OLD);
    await yard.host.advance(10_000);
    await inject(submitLane(0), submission);
    await yard.host.advance(10_000);
    expect(yard.alarms.at(-1)?.message).toContain("it was signed too long ago");
    expect(runs).toBe(1);
    // It may as well be one that was confirmed and never taken: nobody throws it away.
    expect(await yard.engine().broker.depth(submitLane(0))).toBe(1);
  });

  it("loses no confirmed submission that waited for a dispatcher for too long", async () => {
    await (await yard.dispatcher(OLD)).close();
    const client = await yard.client(OLD);
    const task = await yard.driven(client.submit(echo, 7));
    await yard.host.advance(25 * 3_600_000);
    const strict = await yard.both(HANDLERS, OLD);
    await yard.worker(HANDLERS, OLD);
    await yard.host.advance(10_000);
    expect(yard.alarms.map(({ message }) => message).join()).toContain("it was signed too long ago");
    expect(runs).toBe(0);
    await yard.driven(strict.close());
    await yard.dispatcher({ signing: { ...OLD.signing, maxAgeMs: 48 * 3_600_000 } });
    await yard.host.advance(30_000);
    const again = await yard.client(OLD);
    expect(await yard.driven(again.handle(echo, task.id).result())).toBe(7);
  });

  it("sets aside what is signed as a later version does", async () => {
    const client = await signedYard();
    await yard.driven((await yard.driven(client.submit(echo, 1))).result());
    const later = Buffer.from(lastTo(submitLane(0)));
    later[2] = 2;
    await inject(submitLane(0), later);
    expect(yard.refusals).toEqual(["FRAME_SET_ASIDE"]);
    expect(await yard.engine().broker.depth(submitLane(0))).toBe(1);
  });

  it("changes its key without stopping", async () => {
    await yard.dispatcher(BOTH);
    await yard.worker(HANDLERS, BOTH);
    const [before, after] = [
      await yard.client({ signing: { ...BOTH.signing, current: "old" } }),
      await yard.client(BOTH),
    ];
    for (const client of [before, after])
      expect(await yard.driven((await yard.driven(client.submit(echo, 3))).result())).toBe(3);
    expect(yard.refusals).toEqual([]);
  });

  it("leaves in its lane what is signed with a key that it does not have yet", async () => {
    const dispatcher = await yard.dispatcher(OLD);
    const client = await yard.client(NEW);
    const task = await yard.driven(client.submit(echo, 4));
    await yard.host.advance(1_000);
    expect(yard.refusals).toContain("FRAME_SET_ASIDE");
    await yard.driven(dispatcher.close());
    await yard.dispatcher(BOTH);
    await yard.worker(HANDLERS, BOTH);
    await yard.host.advance(30_000);
    const again = await yard.client(BOTH);
    expect(await yard.driven(again.handle(echo, task.id).result())).toBe(4);
  });
});

describe("a process with other keys", () => {
  it.each([
    ["another secret", WRONG, "FRAME_UNTRUSTED"],
    ["another id", NEW, "KEY_MISSING"],
    ["none", undefined, "KEY_MISSING"],
  ] as const)("learns it at once and does not wait: %s", async (_, security, code) => {
    await yard.dispatcher(OLD);
    const client = await yard.client(security);
    const task = await yard.driven(client.submit(echo, 1));
    await expect(yard.driven(task.result())).rejects.toMatchObject({ code });
    await expect(client.submit(echo, 1)).rejects.toMatchObject({ code });
  });

  it("learns it from a yard that signs nothing", async () => {
    await yard.dispatcher();
    const client = await yard.client(OLD);
    const task = await yard.driven(client.submit(echo, 1));
    await expect(yard.driven(task.result())).rejects.toMatchObject({ code: "FRAME_UNTRUSTED" });
  });

  it("loses nothing as a dispatcher: what it cannot trust waits for another", async () => {
    const wrong = await yard.dispatcher(WRONG);
    const client = await yard.client(OLD);
    const task = await yard.driven(client.submit(echo, 5));
    await yard.host.advance(2_000);
    expect(yard.refusals).toContain("FRAME_UNTRUSTED");
    await yard.driven(wrong.close());
    await yard.dispatcher(OLD);
    await yard.worker(HANDLERS, OLD);
    await yard.host.advance(30_000);
    const again = await yard.client(OLD);
    expect(await yard.driven(again.handle(echo, task.id).result())).toBe(5);
  });

  it("loses nothing either where its own worker agrees with it", async () => {
    const wrong = await yard.both(HANDLERS, WRONG);
    await yard.host.advance(5_000);
    const client = await yard.client(OLD);
    const task = await yard.driven(client.submit(echo, 8));
    await yard.host.advance(5_000);
    expect(yard.refusals).toContain("FRAME_UNTRUSTED");
    await yard.driven(wrong.close());
    await yard.dispatcher(OLD);
    await yard.worker(HANDLERS, OLD);
    await yard.host.advance(30_000);
    const again = await yard.client(OLD);
    expect(await yard.driven(again.handle(echo, task.id).result())).toBe(8);
  });

  it("says so as a worker, and is given no task", async () => {
    const client = await signedYard();
    await yard.worker(HANDLERS, WRONG);
    await yard.host.advance(5_000);
    expect(yard.reports.join("\n")).toContain("its signature is wrong");
    expect(await yard.driven((await yard.driven(client.submit(echo, 6))).result())).toBe(6);
  });
});
