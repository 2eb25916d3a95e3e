import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startRabbitMq } from "../../../servers/rabbitmq.ts";
import type { Broker, Receiver } from "../src/brokers/broker.ts";
import { openBroker } from "../src/connect.ts";
import type { BrokerHalf } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import type { YardmasterError } from "../src/protocol/errors.ts";
import { codeOf, failureOf, frameOf, takeCount, textsOf } from "../src/testing/conformance.ts";
import { serverTests } from "./server-tests.ts";

const halves: BrokerHalf[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const half of halves.splice(0)) await half.close({ timeoutMs: 1_000 });
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function open(url: string): Promise<BrokerHalf> {
  const half = await openBroker(url);
  halves.push(half);
  return half;
}

/** Sends until it is confirmed, whatever comes of it before; answers the codes of its failures. */
async function sendUntilConfirmed(broker: Broker, mailbox: string, text: string): Promise<string[]> {
  const codes: string[] = [];
  await vi.waitFor(
    async () => {
      const code = await codeOf(broker.send([{ mailbox, frame: frameOf(text) }]));
      codes.push(code);
      expect(code).toBe("none");
    },
    { timeout: 25_000, interval: 50 },
  );
  return codes.slice(0, -1);
}

/** Waits until a message is refused for want of room. */
async function sendUntilFull(broker: Broker, mailbox: string): Promise<YardmasterError> {
  return await vi.waitFor(
    async () => {
      const failure = await failureOf(broker.send([{ mailbox, frame: frameOf("too much") }]));
      expect(failure?.code).toBe("STORE_FULL");
      if (failure === null) throw new Error("There is room.");
      return failure;
    },
    { timeout: 15_000, interval: 50 },
  );
}

/** Takes and acknowledges until a frame with this text comes. */
async function takeUntil(broker: Broker, receiver: Receiver, text: string): Promise<void> {
  for (;;) {
    const deliveries = await receiver.take({ frames: 1, bytes: 1 });
    await broker.send([], deliveries);
    if (deliveries.length === 0) throw new Error("The receiver ended.");
    if (textsOf(deliveries).includes(text)) return;
  }
}

async function started(broker: string): Promise<ChildProcess> {
  const address = JSON.stringify({ broker, store: "memory:child" });
  const child = fork(join(import.meta.dirname, "engine-child.ts"), [address], {
    execArgv: ["--no-warnings"],
  });
  children.push(child);
  await once(child, "message");
  return child;
}

async function ask(child: ChildProcess, request: string, name: string): Promise<void> {
  child.send({ number: 1, ask: request, name, frame: "" });
  await once(child, "message");
}

await serverTests("RabbitMQ", startRabbitMq, (server) => {
  describe("RabbitMQ that fails", () => {
    it("is used again after it was killed, with all that was durable and nobody declared absent", async () => {
      const url = server.yardUrl();
      const [half, other] = [await open(url), await open(url)];
      const { broker } = half;
      await broker.declare("lane", { durable: true });
      await broker.send(["a", "b"].map((text) => ({ mailbox: "lane", frame: frameOf(text) })));
      const receiver = await broker.receive("lane");
      const [first] = await takeCount(receiver, 2);
      await broker.send([], first === undefined ? [] : [first]);
      const changes: boolean[] = [];
      await broker.presence.hold("worker:1", (isHeld) => changes.push(isHeld));
      expect(await other.broker.presence.absent(["worker:1"])).toEqual([]);
      // Confirmed behind the acknowledgement, which the server would forget if it were killed with it.
      await broker.depth("lane");
      await broker.send([{ mailbox: "lane", frame: frameOf("c") }]);
      // A single node that is killed moments after it made a quorum queue cannot bring it back: its name is saved late.
      await server.control("eval", "[dets:sync(Table) || Table <- dets:all()].");

      await server.kill();
      await vi.waitFor(() => expect(half.report()[0]?.isUp).toBe(false));
      expect(await codeOf(broker.send([{ mailbox: "lane", frame: frameOf("lost") }]))).toBe(
        "BROKER_UNAVAILABLE",
      );
      expect(await codeOf(broker.depth("lane"))).toBe("BROKER_UNAVAILABLE");
      expect(await codeOf(other.broker.presence.absent(["worker:1"]))).toBe("BROKER_UNAVAILABLE");
      broker.publish("lane", frameOf("lost"));
      expect(changes).toEqual([false]);
      const back = server.start();
      const absences = new Set<string>();
      const codes = await Promise.all([
        sendUntilConfirmed(broker, "lane", "d"),
        vi.waitFor(
          async () => {
            const names = await other.broker.presence.absent(["worker:1"]).catch(() => null);
            for (const name of names ?? []) absences.add(name);
            expect([names, changes]).toEqual([[], [false, true]]);
          },
          { timeout: 25_000, interval: 20 },
        ),
        back,
      ]);
      expect(new Set(codes[0])).toEqual(new Set(["BROKER_UNAVAILABLE"]));
      expect([...absences]).toEqual([]);
      const again = await takeCount(receiver, 3);
      expect(textsOf(again)).toEqual(["b", "c", "d"]);
      expect(again[0]?.redelivered).toBe(true);
      expect(half.report()[0]?.isUp).toBe(true);
    }, 60_000);

    it("shows a process that died before anybody looked for it to whoever has long been connected", async () => {
      const url = server.yardUrl();
      let aheadMs = 0;
      const host = { ...systemHost, monotonic: () => systemHost.monotonic() + aheadMs };
      const standby = await openBroker(url, host);
      halves.push(standby);
      const { presence } = standby.broker;
      const child = await started(url);
      await ask(child, "hold", "worker:1");
      await ask(child, "hold", "worker:2");
      const { broker: living } = await open(url);
      await living.presence.hold("worker:3");
      child.kill("SIGKILL");
      await once(child, "exit");
      // Right after the server started, and that may be just now, everybody is on the way back.
      expect(await presence.absent(["worker:1", "worker:3"])).toEqual([]);
      aheadMs = 10_000;
      await vi.waitFor(async () => {
        const absent = await presence.absent(["worker:1", "worker:2", "worker:3"]);
        expect(absent).toEqual(["worker:1", "worker:2"]);
      });

      await server.kill();
      await vi.waitFor(() => expect(standby.report()[0]?.isUp).toBe(false));
      await server.start();
      await vi.waitFor(async () => expect(await presence.absent(["worker:2"])).toEqual([]), {
        timeout: 25_000,
        interval: 20,
      });
      aheadMs = 20_000;
      expect(await presence.absent(["worker:2"])).toEqual(["worker:2"]);
    }, 60_000);

    it("answers late or not at all while it is frozen, and is used again afterwards", async () => {
      const { broker } = await open(server.yardUrl());
      await broker.declare("lane", { durable: true });
      const receiver = await broker.receive("lane");
      server.freeze();
      const failures = await Promise.all([
        codeOf(broker.send([{ mailbox: "lane", frame: frameOf("lost?") }])),
        codeOf(broker.depth("lane")),
        codeOf(broker.declare("other", { durable: false })),
      ]);
      server.thaw();
      expect(failures).toEqual(Array(3).fill("BROKER_UNAVAILABLE"));
      await sendUntilConfirmed(broker, "lane", "after");
      await takeUntil(broker, receiver, "after");
    }, 60_000);

    it.each([
      ["memory", ["set_vm_memory_high_watermark", "absolute", "1"], ["set_vm_memory_high_watermark", "0.4"]],
      ["disk", ["set_disk_free_limit", "1000000000000000"], ["set_disk_free_limit", "50MB"]],
    ])(
      "takes no more when it is short of %s, lets frames out, and recovers unaided",
      async (what, raise, clear) => {
        const half = await open(server.yardUrl());
        const { broker } = half;
        await broker.declare("lane", { durable: true });
        await broker.send([{ mailbox: "lane", frame: frameOf("a") }]);
        const receiver = await broker.receive("lane");
        await server.control(...raise);
        try {
          const failure = await sendUntilFull(broker, "lane");
          expect(failure.retryable).toBe(true);
          expect(failure.message).toContain(what);
          expect(half.report()[0]).toMatchObject({ isUp: false, trouble: expect.stringContaining(what) });
          const taken = await takeCount(receiver, 1);
          expect(await broker.send([], taken)).toEqual([]);
          await broker.declare("worker:1", { durable: false });
          await broker.presence.hold("worker:1");
        } finally {
          await server.control(...clear);
        }
        const codes = await sendUntilConfirmed(broker, "lane", "after");
        expect(codes.filter((code) => code !== "STORE_FULL")).toEqual([]);
        await takeUntil(broker, receiver, "after");
        expect(half.report()[0]?.isUp).toBe(true);
      },
    );

    it("is received from again after it closed the channel, and delivers again", async () => {
      const timeouts = (ms: number, tickMs: number): Promise<string> =>
        server.control(
          "eval",
          `application:set_env(rabbit, consumer_timeout, ${ms}), application:set_env(rabbit, channel_tick_interval, ${tickMs}).`,
        );
      await timeouts(300, 100);
      try {
        const { broker } = await open(server.yardUrl());
        await broker.declare("lane", { durable: true });
        await broker.send(["a", "b"].map((text) => ({ mailbox: "lane", frame: frameOf(text) })));
        const receiver = await broker.receive("lane");
        const slow = await takeCount(receiver, 2);
        const again = await takeCount(receiver, 2);
        expect(again.map(({ redelivered }) => redelivered)).toEqual([true, true]);
        await broker.send([], [...slow, ...again]);
        expect(await broker.depth("lane")).toBe(0);
      } finally {
        await timeouts(1_800_000, 60_000);
      }
    });
  });

  describe("a mailbox in RabbitMQ", () => {
    it("is received from again when somebody else removed it and declared it anew", async () => {
      const url = server.yardUrl();
      const [{ broker }, { broker: other }] = [await open(url), await open(url)];
      await broker.declare("mail", { durable: false });
      const receiver = await broker.receive("mail");
      await other.remove("mail");
      expect(await broker.send([{ mailbox: "mail", frame: frameOf("a") }])).toEqual(["gone"]);
      await other.declare("mail", { durable: false });
      await other.send([{ mailbox: "mail", frame: frameOf("b") }]);
      expect(textsOf(await takeCount(receiver, 1))).toEqual(["b"]);
    });

    it("keeps a frame however often it was delivered, in its place", async () => {
      const { broker } = await open(server.yardUrl());
      await broker.declare("lane", { durable: true });
      await broker.send(["poison", "b"].map((text) => ({ mailbox: "lane", frame: frameOf(text) })));
      for (let delivery = 1; delivery <= 30; delivery += 1) {
        const receiver = await broker.receive("lane");
        expect(textsOf(await takeCount(receiver, 2))).toEqual(["poison", "b"]);
        await receiver.close();
      }
      // The server counts what a closed receiver gave back a moment later.
      await vi.waitFor(async () => expect(await broker.depth("lane")).toBe(2));
    });

    it("delivers to the living what a frozen process had taken", async () => {
      const url = server.yardUrl();
      const { broker } = await open(url);
      await broker.declare("lane", { durable: true });
      await broker.send(["a", "b"].map((text) => ({ mailbox: "lane", frame: frameOf(text) })));
      const child = await started(url);
      await ask(child, "hold", "worker:1");
      await ask(child, "take", "lane");
      expect(await broker.presence.absent(["worker:1"])).toEqual([]);
      child.kill("SIGSTOP");
      const receiver = await broker.receive("lane");
      await broker.send([{ mailbox: "lane", frame: frameOf("c") }]);
      // What comes now comes to the newest receiver, and the heartbeat ends the wait for what came before.
      const taken = await takeCount(receiver, 3);
      expect(textsOf(taken)).toEqual(["c", "a", "b"]);
      expect(taken.map(({ redelivered }) => redelivered)).toEqual([false, true, true]);
      await vi.waitFor(async () => expect(await broker.presence.absent(["worker:1"])).toEqual(["worker:1"]));
    });
  });

  describe("RabbitMQ that refuses", () => {
    it("says whether it is the password, the vhost or a permission", async () => {
      const { address } = server;
      const refusal = async (url: string): Promise<string> => {
        const failure = await failureOf(open(url));
        expect(failure?.code).toBe("ENGINE_DENIED");
        expect(failure?.message).not.toMatch(/secret/);
        return failure?.message ?? "";
      };
      await server.control("add_user", "ann", "secret");
      expect(await refusal(`amqp://ann:secretive@${address}`)).toContain("password is wrong");
      expect(await refusal(`amqp://${address}/nowhere`)).toContain("vhost does not exist");
      expect(await refusal(`amqp://ann:secret@${address}`)).toContain("not open to this user");
      expect(await refusal(`amqps://${address}`)).toContain("TLS");
      expect(await codeOf(open("amqp://127.0.0.1:1"))).toBe("BROKER_UNAVAILABLE");
    });

    it("refuses what is not permitted by name, and takes it from then on when it is", async () => {
      await server.control("add_user", "bob", "secret");
      await server.control("set_permissions", "bob", "^bobs:", "^$", "^bobs:");
      const url = `amqp://bob:secret@${server.address}?yard=bobs`;
      const { broker } = await open(url);
      await broker.declare("lane", { durable: true });
      const denied = await failureOf(broker.send([{ mailbox: "lane", frame: frameOf("a") }]));
      expect([denied?.code, denied?.message]).toEqual([
        "ENGINE_DENIED",
        expect.stringContaining("amq.default"),
      ]);
      const foreign = await open(`amqp://bob:secret@${server.address}?yard=anns`);
      expect(await codeOf(foreign.broker.declare("lane", { durable: true }))).toBe("ENGINE_DENIED");
      await server.control("set_permissions", "bob", "^bobs:", "^amq\\.default$", "^bobs:");
      expect(await broker.send([{ mailbox: "lane", frame: frameOf("b") }])).toEqual(["confirmed"]);
      const receiver = await broker.receive("lane");
      await broker.send([], await takeCount(receiver, 1));
      const release = await broker.presence.hold("worker:1");
      expect(await broker.presence.absent(["worker:1"])).toEqual([]);
      await release();
      expect(await broker.presence.absent(["worker:1"])).toEqual(["worker:1"]);
      expect(await broker.depth("lane")).toBe(0);
      await broker.remove("lane");
    });
  });
});
