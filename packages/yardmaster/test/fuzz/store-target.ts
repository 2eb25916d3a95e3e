import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { openEngine } from "../../src/connect.ts";
import { nextFire } from "../../src/cron.ts";
import type { Engine } from "../../src/engine.ts";
import { systemHost } from "../../src/host.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { fromBuffer } from "../../src/protocol/bytes.ts";
import type { Change } from "../../src/protocol/change.ts";
import { openDatabase, type Value } from "../../src/sqlite/driver.ts";
import { openSqliteEngine } from "../../src/sqlite/engine.ts";
import { finished, inserted, sampleTask, taskId, taskIdIn } from "../../src/testing/sample-tasks.ts";
import { Dice } from "./dice.ts";
import { goldenVectors } from "./frame-parts.ts";
import { HOSTILE_NUMBERS, HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, expectPristine, judged, judgedLater } from "./judgement.ts";
import { byteMutant } from "./mutants.ts";
import { type Target, target } from "./target.ts";

const NOW = 1_800_000_000_000;
const FAR = 9_000_000_000_000;
const OPTIONS = { durability: "os", shards: 2 } as const;
const SCHEDULE = new Map(goldenVectors("records.json")).get("schedule") ?? Buffer.alloc(0);
const HONEST = taskIdIn(1, 7);
const LARGE = "x".repeat(5_000);

/** The columns of every table, and which rows of it belong to what is damaged: the others are the neighbours. */
const TABLES: readonly (readonly [table: string, where: string, columns: readonly string[]])[] = [
  ["fence", "shard = 0", ["shard", "owner", "epoch", "lease_until", "sequence"]],
  [
    "task",
    `id <> '${HONEST}'`,
    ["id", "live", "keep", "record", "payload", "result", "parked", "due", "rank"],
  ],
  ["bytes", "true", ["id", "part", "content"]],
  ["tombstone", "shard = 0", ["id", "shard", "keep"]],
  ["key", "shard = 0", ["shard", "name", "key", "id", "hash", "keep"]],
  ["queue", "shard = 0", ["shard", "name", "record"]],
  ["side", "shard = 0", ["shard", "kind", "key", "value"]],
  ["mailbox", "name = 'damaged'", ["id", "name", "durable", "last"]],
  [
    "frame",
    "mailbox IN (SELECT id FROM mailbox WHERE name = 'damaged')",
    ["mailbox", "id", "mark", "content"],
  ],
  ["presence", "name = 'damaged'", ["name", "holder", "since"]],
  // Of all shards: what opens has its neighbours, and what does not has said why.
  ["meta", "true", ["name", "value"]],
];

const damage = fc.record({
  place: fc.nat(TABLES.length - 1),
  column: fc.nat(8),
  seed: fc.nat(2 ** 31 - 1),
  steps: fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 3 }),
});
type Damage = typeof damage extends fc.Arbitrary<infer Value> ? Value : never;

/** Another value of any type in place of the one that is there. */
function damagedValue(before: Value | undefined, { seed, steps }: Damage): Value {
  const dice = new Dice(seed);
  switch (dice.below(6)) {
    case 0:
      return null;
    case 1:
      return dice.oneOf(HOSTILE_NUMBERS);
    case 2:
      return dice.oneOf(HOSTILE_TEXTS).toWellFormed();
    case 3:
      return Buffer.from(dice.oneOf(HOSTILE_TEXTS));
    default:
      return before instanceof Uint8Array ? byteMutant(Buffer.from(before), steps) : dice.below(2 ** 31);
  }
}

/** A yard file with something in each of its tables, in two shards. */
async function wholeFile(path: string): Promise<Buffer> {
  const engine = await openSqliteEngine(path, systemHost, OPTIONS);
  const task = { id: HONEST, state: "ready" } as const;
  await commitTo(engine, 1, [inserted({ ...sampleTask(7), ...task })]);
  await commitTo(
    engine,
    0,
    [
      inserted(sampleTask(1)),
      inserted(sampleTask(2), { parked: true }),
      inserted(sampleTask(3), { payload: LARGE }),
      inserted(sampleTask(4)),
      { type: "tombstone", id: taskId(8), keepUntil: FAR },
      { type: "key", key: { name: "a", key: "k", id: taskId(1), inputHash: "h", expiresAt: FAR } },
      {
        type: "queue",
        queue: { name: "media", order: "fifo", placement: "spread", paused: false, revision: 1 },
      },
      { type: "row", kind: "schedule", key: "nightly", value: fromBuffer(SCHEDULE) },
      { type: "row", kind: "rate", key: "media", value: "1 2 3" },
    ],
    [finished(sampleTask(4), LARGE, FAR)],
  );
  for (const mailbox of ["damaged", "honest"]) {
    await engine.broker.declare(mailbox, { durable: true });
    await engine.broker.send([{ mailbox, frame: Buffer.from("frame") }]);
  }
  await engine.broker.presence.hold("damaged");
  await engine.close({ timeoutMs: 1_000 });
  return readFileSync(path);
}

async function commitTo(
  engine: Engine,
  shard: number,
  ...commits: readonly (readonly Change[])[]
): Promise<void> {
  const lease = await engine.store.acquire(shard, "honest", 1);
  if (lease === null) throw new Error(`Shard ${shard} is somebody else's.`);
  for (const [index, changes] of commits.entries()) await engine.store.commit(lease, index + 1, changes);
  await engine.store.release(lease);
}

/** A file whose rows somebody else wrote, or the disk: all that is read of it is refused with its code, and shard 1 goes on. */
async function damagedFile(whole: Buffer, path: string, damages: readonly Damage[]): Promise<Ending> {
  for (const beside of ["", "-wal", "-shm", "-bells", "-presence"])
    rmSync(path + beside, { force: true, recursive: true });
  writeFileSync(path, whole);
  const hasChanged = damages.map((one) => spoil(path, one)).includes(true);
  const endings: Ending[] = [];
  const opened: { engine?: Engine } = {};
  const opening = await judgedLater(async () => {
    opened.engine = await openEngine(`sqlite:${path}?durability=os`, systemHost, OPTIONS);
  });
  const { engine } = opened;
  if (engine === undefined) {
    if (damages.some(({ place }) => place === TABLES.length - 1)) return opening;
    throw new Error(`A damaged row closes the whole yard: ${opening}`);
  }
  if (engine.shards !== OPTIONS.shards) {
    await engine.close({ timeoutMs: 1_000 });
    return `opened with ${engine.shards > 2 ? "more" : "fewer"} shards`;
  }
  try {
    for (const read of readsOf(engine)) endings.push(await judgedLater(read));
    await expectNeighbours(engine);
  } finally {
    await engine.close({ timeoutMs: 1_000 });
    expectPristine();
  }
  const refusals = [...new Set(endings.filter((ending) => ending !== "taken"))];
  return refusals.length > 0 ? refusals.join(", ") : hasChanged ? "taken" : "could not be written";
}

function spoil(path: string, one: Damage): boolean {
  const [table, where, columns] = TABLES[one.place] ?? ["", "", []];
  const column = columns[one.column % columns.length];
  const db = openDatabase(path);
  try {
    const before = db.prepare(`SELECT ${column} AS value FROM ${table} WHERE ${where}`).get()?.["value"];
    const isWhole = new Dice(one.seed).below(4) === 0;
    // As a literal where JavaScript has no such number.
    const value = isWhole ? "9007199254740993" : "?";
    db.prepare(`UPDATE OR FAIL ${table} SET ${column} = ${value} WHERE ${where}`).run(
      ...(isWhole ? [] : [damagedValue(before, one)]),
    );
    return true;
  } catch {
    // The table does not take such a value, or not twice.
    return false;
  } finally {
    db.close();
  }
}

/** Everything that a dispatcher and a client read of shard 0 and of what belongs to none. */
function readsOf({ store, broker }: Engine): readonly (() => Promise<unknown>)[] {
  const ids = [1, 2, 3, 4, 8].map(taskId);
  return [
    () => store.holder(0),
    async () => {
      const lease = await store.acquire(0, "next", 1, { replacing: 1 });
      if (lease !== null) await store.commit(lease, 1, []);
    },
    async () => {
      const kernel = new Kernel({ shard: 0, epoch: 8, seed: 1, nextFire });
      for await (const items of store.load(0))
        for (const item of items) judged(() => kernel.restore(item, NOW));
      judged(() => kernel.restored(NOW));
    },
    () => store.parked(0, 100),
    () => store.read({ ids, keys: [{ name: "a", key: "k" }], bytes: true }),
    () => store.read({ ids }),
    () => store.find({ limit: 100 }),
    () => broker.depth("damaged"),
    () => broker.mailboxes(""),
    () => broker.presence.absent(["damaged"]),
    async () => {
      const receiver = await broker.receive("damaged");
      try {
        if ((await broker.depth("damaged")) > 0) await receiver.take({ frames: 5, bytes: 1_000 });
      } finally {
        await receiver.close();
      }
    },
  ];
}

/** A shard, a task and a mailbox beside those that were damaged. */
async function expectNeighbours(engine: Engine): Promise<void> {
  const { store, broker } = engine;
  const { tasks } = await store.read({ ids: [HONEST], bytes: true });
  if (tasks.get(HONEST)?.task.state !== "ready") throw new Error("A neighbour's task is gone.");
  const loaded: string[] = [];
  for await (const items of store.load(1))
    for (const item of items) if (item.type === "task") loaded.push(item.task.id);
  if (!loaded.includes(HONEST)) throw new Error("A neighbour's shard does not load.");
  const receiver = await broker.receive("honest");
  const [delivery] = await receiver.take({ frames: 1, bytes: 100 });
  await receiver.close();
  if (delivery === undefined || Buffer.from(delivery.frame).toString() !== "frame")
    throw new Error("A neighbour's frame is gone.");
  await commitTo(engine, 1, [{ type: "tombstone", id: taskIdIn(1, 9), keepUntil: FAR }]);
}

const files = (whole: Buffer, path: string): Target =>
  target("rows of a yard file", fc.array(damage, { minLength: 1, maxLength: 3 }), (damages) =>
    damagedFile(whole, path, damages),
  );

/** What is no yard file any more, or never was: it is opened, or refused with its code. */
const scratches = (whole: Buffer, path: string): Target =>
  target(
    "bytes of a yard file",
    fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 4 }),
    async (steps) => {
      rmSync(`${path}-wal`, { force: true });
      rmSync(`${path}-shm`, { force: true });
      writeFileSync(path, scratched(whole, steps));
      const endings = new Set<Ending>();
      endings.add(
        await judgedLater(async () => {
          const engine = await openSqliteEngine(path, systemHost, OPTIONS);
          try {
            for (const read of readsOf(engine)) endings.add(await judgedLater(read));
          } finally {
            await engine.close({ timeoutMs: 1_000 });
          }
        }),
      );
      endings.delete("taken");
      return endings.size === 0 ? "taken" : [...endings].join(", ");
    },
  );

/** Like a disk, in runs: most of a file's bytes are never read. */
function scratched(whole: Buffer, steps: readonly number[]): Buffer {
  const copy = Buffer.from(whole);
  for (const step of steps) {
    const dice = new Dice(step);
    const at = dice.below(4) === 0 ? dice.below(100) : dice.below(copy.length);
    if (dice.below(8) === 0) return copy.subarray(0, at);
    copy.fill(dice.below(256), at, Math.min(copy.length, at + dice.oneOf([1, 2, 16, 512])));
  }
  return copy;
}

/** With a file of its own for the length of a run. */
function onFile(make: (whole: Buffer, path: string) => Target): Target {
  return {
    ...make(Buffer.alloc(0), ""),
    async run(cases, seed) {
      const folder = mkdtempSync(join(tmpdir(), "yardmaster-fuzz-"));
      try {
        const path = join(folder, "yard.db");
        return await make(await wholeFile(path), path).run(cases, seed);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

export const STORE_TARGETS: readonly Target[] = [onFile(files), onFile(scratches)];
