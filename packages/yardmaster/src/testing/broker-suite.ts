import type { Broker } from "../brokers/broker.ts";
import {
  codeOf,
  type EngineUnderTest,
  frameOf,
  NO_LIMITS,
  type TestApi,
  takeCount,
  textsOf,
  withYards,
} from "./conformance.ts";

/** Tests that a broker keeps every promise of its interface. */
export function brokerSuite(under: EngineUnderTest, api: TestApi): void {
  api.describe(`the broker of ${under.name}`, () => {
    mailboxTests(under, api);
    sendTests(under, api);
    receiveTests(under, api);
    redeliveryTests(under, api);
    presenceTests(under, api);
  });
}

async function put(broker: Broker, mailbox: string, ...texts: readonly string[]): Promise<void> {
  await broker.send(texts.map((text) => ({ mailbox, frame: frameOf(text) })));
}

function mailboxTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("keeps what a mailbox holds when it is declared again", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a");
    await broker.declare("mail", { durable: true });
    expect(await broker.depth("mail")).toEqual(1);
  });

  test("deletes a mailbox with all that it holds", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a");
    await broker.remove("mail");
    expect(await broker.depth("mail")).toEqual(0);
    expect(await broker.send([{ mailbox: "mail", frame: frameOf("b") }])).toEqual(["gone"]);
    await broker.declare("mail", { durable: true });
    expect(await broker.depth("mail")).toEqual(0);
  });

  test("removes a mailbox that does not exist without a word", async (yard) => {
    const { broker } = await yard.engine();
    await broker.remove("mail");
    expect(await broker.mailboxes("")).toEqual([]);
  });

  test("lists the mailboxes that start with a prefix and no others", async (yard) => {
    const { broker } = await yard.engine();
    for (const name of ["worker:1", "worker:2", "work", "client:worker:3", "w%", "w_rker:4"]) {
      await broker.declare(name, { durable: false });
    }
    expect([...(await broker.mailboxes("worker:"))].sort()).toEqual(["worker:1", "worker:2"]);
    expect(await broker.mailboxes("w%")).toEqual(["w%"]);
    expect(await broker.mailboxes("w_")).toEqual(["w_rker:4"]);
    expect((await broker.mailboxes("")).length).toEqual(6);
  });

  test("counts what waits, delivered frames included, until it is acknowledged", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a", "b", "c");
    const receiver = await broker.receive("mail");
    const [first] = await receiver.take({ frames: 1, bytes: 100 });
    expect(await broker.depth("mail")).toEqual(3);
    await broker.send([], first === undefined ? [] : [first]);
    expect(await broker.depth("mail")).toEqual(2);
    expect(await broker.depth("nobody")).toEqual(0);
  });

  test("refuses everything after the engine was closed", async (yard) => {
    const engine = await yard.engine();
    await engine.broker.declare("mail", { durable: true });
    await engine.close({ timeoutMs: 1_000 });
    expect(await codeOf(engine.broker.send([{ mailbox: "mail", frame: frameOf("a") }]))).toEqual("CLOSED");
    expect(await codeOf(engine.broker.receive("mail"))).toEqual("CLOSED");
    expect(await codeOf(engine.broker.depth("mail"))).toEqual("CLOSED");
    engine.broker.publish("mail", frameOf("b"));
    expect(await (await yard.engine()).broker.depth("mail")).toEqual(0);
  });
}

function sendTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("answers for each frame whether its mailbox exists", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("one", { durable: true });
    await broker.declare("two", { durable: false });
    const sends = ["one", "nobody", "two", "one", "nowhere"].map((mailbox) => ({
      mailbox,
      frame: frameOf("x"),
    }));
    expect(await broker.send(sends)).toEqual(["confirmed", "gone", "confirmed", "confirmed", "gone"]);
    expect([await broker.depth("one"), await broker.depth("two")]).toEqual([2, 1]);
  });

  test("answers nothing for nothing", async (yard) => {
    const { broker } = await yard.engine();
    expect(await broker.send([])).toEqual([]);
  });

  test("carries frames of any bytes and size", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    const frames = [new Uint8Array(0), new Uint8Array([0, 255, 0, 128]), new Uint8Array(3_000_000).fill(7)];
    await broker.send(frames.map((frame) => ({ mailbox: "mail", frame })));
    const taken = await takeCount(await broker.receive("mail"), 3);
    expect(taken.map(({ frame }) => frame.length)).toEqual([0, 4, 3_000_000]);
    expect([...(taken[1]?.frame ?? [])]).toEqual([0, 255, 0, 128]);
    expect(taken[2]?.frame.every((byte) => byte === 7)).toEqual(true);
  });

  test("takes a frame's bytes when it is sent, and not later", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    const frame = frameOf("before");
    await broker.send([{ mailbox: "mail", frame }]);
    frame.fill(0);
    expect(textsOf(await takeCount(await broker.receive("mail"), 1))).toEqual(["before"]);
  });

  test("acknowledges in the same call as it sends", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("in", { durable: true });
    await broker.declare("out", { durable: true });
    await put(broker, "in", "a", "b");
    const taken = await takeCount(await broker.receive("in"), 2);
    expect(await broker.send([{ mailbox: "out", frame: frameOf("c") }], taken)).toEqual(["confirmed"]);
    expect([await broker.depth("in"), await broker.depth("out")]).toEqual([0, 1]);
  });

  test("acknowledges what it is told and nothing else, and twice is once", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a", "b", "c", "d", "e");
    const receiver = await broker.receive("mail");
    const taken = await takeCount(receiver, 5);
    const odd = taken.filter((_, index) => index % 2 === 1).reverse();
    await broker.send([], odd);
    await broker.send([], odd);
    await receiver.close();
    expect(textsOf(await takeCount(await broker.receive("mail"), 3))).toEqual(["a", "c", "e"]);
    expect(await broker.depth("mail")).toEqual(3);
  });

  test("publishes to who receives, and to nobody without a word", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: false });
    const receiver = await broker.receive("mail");
    broker.publish("nobody", frameOf("lost"));
    broker.publish("mail", frameOf("news"));
    expect(textsOf(await takeCount(receiver, 1))).toEqual(["news"]);
  });
}

function receiveTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("delivers in the order of sending", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: false });
    const texts = Array.from({ length: 300 }, (_, index) => `frame ${index}`);
    const sent = texts.map((text) => put(broker, "mail", text));
    const receiver = await broker.receive("mail");
    expect(textsOf(await takeCount(receiver, texts.length))).toEqual(texts);
    await Promise.all(sent);
  });

  test("takes no more frames than it is asked for", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a", "b", "c");
    const receiver = await broker.receive("mail");
    expect(textsOf(await receiver.take({ frames: 2, bytes: 100 }))).toEqual(["a", "b"]);
    expect(textsOf(await receiver.take({ frames: 2, bytes: 100 }))).toEqual(["c"]);
  });

  test("takes no more bytes than it is asked for, but always one frame", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "12345", "67890", "a very long frame", "x");
    const receiver = await broker.receive("mail");
    expect(textsOf(await receiver.take({ frames: 9, bytes: 10 }))).toEqual(["12345", "67890"]);
    expect(textsOf(await receiver.take({ frames: 9, bytes: 10 }))).toEqual(["a very long frame"]);
    expect(textsOf(await receiver.take({ frames: 9, bytes: 10 }))).toEqual(["x"]);
  });

  test("waits for a frame, from this process, another engine or another process", async (yard) => {
    const { broker } = await yard.engine();
    const other = await yard.engine();
    const process = await yard.process();
    await broker.declare("mail", { durable: false });
    const receiver = await broker.receive("mail");
    const first = takeCount(receiver, 1);
    await put(broker, "mail", "from here");
    expect(textsOf(await first)).toEqual(["from here"]);
    const second = takeCount(receiver, 1);
    await put(other.broker, "mail", "from there");
    expect(textsOf(await second)).toEqual(["from there"]);
    const third = takeCount(receiver, 1);
    expect(await process.send("mail", "from afar")).toEqual(["confirmed"]);
    expect(textsOf(await third)).toEqual(["from afar"]);
  });

  test("reaches a receiver in another process", async (yard) => {
    const { broker } = await yard.engine();
    const process = await yard.process();
    await broker.declare("mail", { durable: false });
    await put(broker, "mail", "before");
    expect(await process.take("mail")).toEqual(["before"]);
    const taken = process.take("mail");
    await put(broker, "mail", "after");
    expect(await taken).toEqual(["after"]);
  });

  test("ends a take with nothing when its receiver is closed", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: false });
    const receiver = await broker.receive("mail");
    const taken = receiver.take(NO_LIMITS);
    await receiver.close();
    expect(await taken).toEqual([]);
    expect(await receiver.take(NO_LIMITS)).toEqual([]);
    await receiver.close();
  });

  test("ends a take with nothing when the engine is closed", async (yard) => {
    const engine = await yard.engine();
    await engine.broker.declare("mail", { durable: false });
    const receiver = await engine.broker.receive("mail");
    const taken = receiver.take(NO_LIMITS);
    await engine.close({ timeoutMs: 1_000 });
    expect(await taken).toEqual([]);
    expect(await receiver.take(NO_LIMITS)).toEqual([]);
  });

  test("receives from no mailbox that was not declared", async (yard) => {
    const { broker } = await yard.engine();
    expect(await codeOf(broker.receive("nobody"))).toEqual("BROKER_UNAVAILABLE");
  });

  test("goes on in a mailbox that was removed and declared again", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: false });
    await put(broker, "mail", "old");
    const receiver = await broker.receive("mail");
    const old = await takeCount(receiver, 1);
    await broker.remove("mail");
    await broker.declare("mail", { durable: false });
    const taken = takeCount(receiver, 1);
    await put(broker, "mail", "new");
    expect(textsOf(await taken)).toEqual(["new"]);
    await broker.send([], old);
    expect(await broker.depth("mail")).toEqual(1);
  });
}

function redeliveryTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("delivers again, and first, what nobody acknowledged", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a", "b", "c");
    const receiver = await broker.receive("mail");
    const taken = await takeCount(receiver, 2);
    await broker.send([], taken.slice(0, 1));
    await receiver.close();
    const next = await broker.receive("mail");
    await put(broker, "mail", "d");
    const again = await takeCount(next, 3);
    expect(textsOf(again)).toEqual(["b", "c", "d"]);
    expect(again.map(({ redelivered }) => redelivered)).toEqual([true, true, false]);
  });

  test("loses nothing by an acknowledgement that comes after its receiver was closed", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    await put(broker, "mail", "a", "b");
    const receiver = await broker.receive("mail");
    const taken = await takeCount(receiver, 1);
    await receiver.close();
    await (await yard.engine()).broker.send([], taken);
    // Some engines accept the acknowledgement, others deliver again; "b" comes last in either case.
    const next = await broker.receive("mail");
    const again: string[] = [];
    while (again.at(-1) !== "b") again.push(...textsOf(await takeCount(next, 1)));
    expect(again).toEqual(again.length === 1 ? ["b"] : ["a", "b"]);
  });

  test("delivers again what a process had taken when it was killed", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: false });
    const process = await yard.process();
    await put(broker, "mail", "a");
    expect(await process.take("mail")).toEqual(["a"]);
    await process.kill();
    const again = await takeCount(await broker.receive("mail"), 1);
    expect(again.map(({ redelivered }) => redelivered)).toEqual([true]);
    expect(textsOf(again)).toEqual(["a"]);
  });

  test("keeps what a killed process had sent", async (yard) => {
    const { broker } = await yard.engine();
    await broker.declare("mail", { durable: true });
    const process = await yard.process();
    await process.send("mail", "last words");
    await process.kill();
    expect(textsOf(await takeCount(await broker.receive("mail"), 1))).toEqual(["last words"]);
  });
}

/** Asks until `count` are absent: an engine learns of a process's death moments after it. */
async function absentOf(broker: Broker, names: readonly string[], count: number): Promise<string[]> {
  for (;;) {
    const absent = await broker.presence.absent(names);
    if (absent.length >= count) return absent;
  }
}

function presenceTests(under: EngineUnderTest, api: TestApi): void {
  const test = withYards(api, under);
  const { expect } = api;

  test("calls nobody absent who was never present", async (yard) => {
    const { broker } = await yard.engine();
    expect(await broker.presence.absent(["worker:1"])).toEqual([]);
    expect(await broker.presence.absent([])).toEqual([]);
  });

  test("sees a holder in its own process until it lets go", async (yard) => {
    const { broker } = await yard.engine();
    const other = await yard.engine();
    const release = await broker.presence.hold("worker:1");
    await broker.presence.hold("worker:2");
    expect(await other.broker.presence.absent(["worker:1", "worker:2"])).toEqual([]);
    await release();
    await release();
    expect(await absentOf(other.broker, ["worker:1", "worker:2", "worker:3"], 1)).toEqual(["worker:1"]);
    await broker.presence.hold("worker:1");
    expect(await other.broker.presence.absent(["worker:1"])).toEqual([]);
  });

  test("lets go of every name when the engine is closed", async (yard) => {
    const engine = await yard.engine();
    const other = await yard.engine();
    await engine.broker.presence.hold("worker:1");
    await engine.broker.presence.hold("client:1");
    await other.broker.presence.hold("worker:2");
    expect(await other.broker.presence.absent(["worker:1", "client:1", "worker:2"])).toEqual([]);
    await engine.close({ timeoutMs: 1_000 });
    const absent = await absentOf(other.broker, ["worker:1", "client:1", "worker:2"], 2);
    expect([...absent].sort()).toEqual(["client:1", "worker:1"]);
  });

  test("sees a process until it is killed, and knows at once when it is", async (yard) => {
    const { broker } = await yard.engine();
    const process = await yard.process();
    await process.hold("worker:1");
    await process.hold("worker:2");
    expect(await broker.presence.absent(["worker:1", "worker:2"])).toEqual([]);
    await process.kill();
    expect([...(await absentOf(broker, ["worker:1", "worker:2"], 2))].sort()).toEqual([
      "worker:1",
      "worker:2",
    ]);
    expect((await broker.presence.absent(["worker:1"])).length).toEqual(1);
  });

  test("takes no prober for a holder", async (yard) => {
    const { broker } = await yard.engine();
    const [killed, living] = [await yard.process(), await yard.process()];
    await killed.hold("worker:1");
    await living.hold("worker:2");
    const other = await yard.engine();
    for (const { presence } of [broker, other.broker]) {
      expect(await presence.absent(["worker:1", "worker:2"])).toEqual([]);
    }
    await killed.kill();
    for (const each of [broker, other.broker]) await absentOf(each, ["worker:1"], 1);
    const answers = await Promise.all(
      [broker, other.broker, broker, other.broker].map(({ presence }) =>
        presence.absent(["worker:1", "worker:2"]),
      ),
    );
    expect(answers).toEqual(Array(4).fill(["worker:1"]));
  });
}
