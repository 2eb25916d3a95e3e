import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assign, taskId, WorkerDesk } from "../../test/worker-desk.ts";
import { defineTask } from "../definition.ts";
import { controlLane, type Engine } from "../engine.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "../memory/world.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { createHandlers } from "./handlers.ts";
import { startWorkerOn, type Worker } from "./worker.ts";

const { on } = createHandlers();
const held = defineTask<unknown, unknown>({ name: "held" });

let host: ManualHost;
let world: MemoryWorld;
let engine: MemoryEngine;
let desk: WorkerDesk;
let worker: Worker;
let started: number;
let end: () => void;
let presence: (isHeld: boolean) => void;
let isCut: boolean;
let problems: string[];

/** An engine whose connection can be lost: presence with it, and everything rejects. */
function fragile(real: Engine): Engine {
  const check = (): void => {
    if (isCut) throw new YardmasterError("BROKER_UNAVAILABLE", "The connection was cut.");
  };
  const { broker } = real;
  return {
    ...real,
    broker: {
      ...broker,
      send: async (sends, acks) => {
        check();
        return await broker.send(sends, acks);
      },
      declare: async (mailbox, options) => {
        check();
        await broker.declare(mailbox, options);
      },
      receive: async (mailbox) => {
        check();
        return await broker.receive(mailbox);
      },
      presence: {
        provesDeath: false,
        absent: (names) => broker.presence.absent(names),
        hold: async (name, changed = () => undefined) => {
          presence = changed;
          return await broker.presence.hold(name);
        },
      },
    },
  };
}

beforeEach(async () => {
  host = createManualHost();
  world = createMemoryWorld(host);
  engine = world.open();
  desk = new WorkerDesk(world.open(), "w");
  started = 0;
  isCut = false;
  problems = [];
  const report = (what: string): void => void problems.push(what);
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const handlers = [
    on(held, async () => {
      started += 1;
      await ended;
      return null;
    }),
  ];
  await desk.open();
  worker = await startWorkerOn({ engine: fragile(engine), host, handlers, id: "w", slots: 3, report });
  await host.settle();
});

afterEach(async () => {
  end();
  isCut = false;
  const closing = worker.close({ timeoutMs: 1_000 });
  await host.advance(10_000);
  await closing;
  await desk.close();
});

async function tell(...envelopes: Parameters<WorkerDesk["tell"]>): Promise<void> {
  await desk.tell(...envelopes);
  await host.settle();
}

describe("a worker that its engine lost sight of", () => {
  it("starts nothing until it is present and answered again, and what runs goes on", async () => {
    await tell(assign(1, "held"));
    expect(started).toBe(1);
    presence(false);
    await tell(assign(2, "held"));
    await host.advance(5_000);
    expect(started).toBe(1);
    expect(worker.running).toBe(1);
    desk.known = null;
    presence(true);
    await host.advance(1_000);
    expect(started).toBe(1);
    desk.known = true;
    await host.advance(6_000);
    expect(started).toBe(2);
  });

  it("takes no answer to what it sent before for a permission", async () => {
    desk.known = null;
    presence(false);
    await host.settle();
    const before = desk.of("heartbeat").at(-1)?.number ?? 0;
    presence(true);
    await host.settle();
    const stale = { number: before, sent: desk.sent + 1, known: true, credit: 3, ready: 0 };
    await tell({ type: "heartbeatAnswer", ...stale }, assign(1, "held"));
    expect(started).toBe(0);
  });

  it("shows several times a second that it lives, and at once when it is back", async () => {
    const before = desk.of("heartbeat").length;
    presence(false);
    await host.advance(900);
    expect(desk.of("heartbeat").length - before).toBeGreaterThanOrEqual(4);
    presence(true);
    await host.advance(150);
    const after = desk.of("heartbeat").length;
    await host.advance(1_000);
    expect(desk.of("heartbeat").length - after).toBeLessThanOrEqual(1);
  });

  it("makes its mailbox again and says what it holds", async () => {
    await tell(assign(1, "held"));
    isCut = true;
    presence(false);
    await engine.broker.remove("worker:w");
    await tell(assign(2, "held"));
    await host.advance(1_000);
    const before = desk.of("held").length;
    isCut = false;
    presence(true);
    await host.advance(200);
    expect(await engine.broker.mailboxes("worker:")).toEqual(["worker:w"]);
    const lists = desk.of("held").slice(before);
    expect(lists.at(-1)?.attempts).toMatchObject([{ id: taskId(1), state: "running" }]);
    // The answer to its heartbeat showed the gap, so that what was lost is missed.
    expect(lists.at(-1)?.seen).toBeGreaterThanOrEqual(2);
    await tell(assign(3, "held"));
    expect(started).toBe(2);
  });

  it("makes the control lane again that the engine lost", async () => {
    await tell(assign(1, "held"));
    await desk.close();
    await engine.broker.remove(controlLane(0));
    end();
    await host.advance(1_000);
    expect(await engine.broker.mailboxes(controlLane(0))).toEqual([controlLane(0)]);
  });
});

describe("a lost mailbox", () => {
  it("is made again when nothing has come for 10 s, and work goes on", async () => {
    await engine.broker.remove("worker:w");
    await host.advance(25_000);
    expect(await engine.broker.mailboxes("worker:")).toEqual(["worker:w"]);
    await tell(assign(1, "held"));
    expect(started).toBe(1);
    end();
    await host.settle();
    expect(desk.outcomes).toMatchObject([{ kind: "succeeded" }]);
    expect(problems).toEqual([]);
  });
});

describe("what an earlier owner assigned", () => {
  beforeEach(async () => {
    desk.known = null;
    await host.advance(8_000);
    await tell(assign(1, "held"));
    desk.answers = false;
    desk.known = true;
    await desk.takeOver();
    await host.advance(7_000);
  });

  it("starts only when the present one has answered that it is held, and news start before", async () => {
    expect(started).toBe(0);
    await tell(assign(2, "held"));
    expect(started).toBe(1);
    desk.answers = true;
    await host.advance(20_000);
    expect(started).toBe(2);
  });

  it("does not start when the present one has given it up", async () => {
    const sequence = desk.frames.findLast(({ envelopes }) =>
      envelopes.some(({ type }) => type === "held"),
    )?.sequence;
    const abort = { type: "abort", id: taskId(1), epoch: 1, attempt: 1, reason: "cancelled" } as const;
    await tell(abort, { type: "answered", sequence: sequence ?? 0 });
    await host.advance(5_000);
    expect(started).toBe(0);
    expect(desk.outcomes).toMatchObject([{ id: taskId(1), kind: "cancelled" }]);
  });
});
