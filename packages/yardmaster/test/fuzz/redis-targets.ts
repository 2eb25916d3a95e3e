import fc from "fast-check";
import type { RedisAddress } from "../../src/redis/address.ts";
import { readFacts } from "../../src/redis/facts.ts";
import type { Servers } from "../../src/redis/servers.ts";
import { RedisStore } from "../../src/stores/redis.ts";
import { finished, inserted, sampleTask, taskId } from "../../src/testing/sample-tasks.ts";
import { goldenVectors } from "./frame-parts.ts";
import { HOSTILE_NUMBERS, HOSTILE_TEXTS } from "./hostile-values.ts";
import { type Ending, expectPristine, judgedLater } from "./judgement.ts";
import { byteMutant } from "./mutants.ts";
import { untyped } from "./on-a-yard.ts";
import { type Target, target } from "./target.ts";

const RECORDS = goldenVectors("records.json").map(([, bytes]) => bytes);
const steps = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 2 });
/** A task's value as Redis has it: no payload and no result beside the record. */
const NO_BYTES = Buffer.from([0xff, 0xff, 0xff, 0xff]);

const text = fc.constantFrom(...HOSTILE_TEXTS, "0", "1", "2", "7").map((one) => Buffer.from(one));
const record = fc
  .tuple(fc.nat(RECORDS.length - 1), steps, fc.boolean())
  .map(([at, changes, isBare]) =>
    Buffer.concat([isBare ? Buffer.alloc(0) : NO_BYTES, byteMutant(RECORDS[at] ?? NO_BYTES, changes)]),
  );
const leaf = fc.oneof(
  text,
  record,
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(null, 1, 0, -1, ...HOSTILE_NUMBERS),
);
const list = fc.array(leaf, { maxLength: 6 });
/** Anything that a server's protocol can say, most of it in the shape that is expected. */
const reply = fc.oneof(
  leaf,
  list,
  fc.tuple(text, list),
  fc.tuple(text, leaf),
  fc.array(list, { maxLength: 3 }),
);
const replies = fc.array(reply, { minLength: 1, maxLength: 6 });

/** A server that has been told by somebody else what to answer: each answer once, then as one that holds nothing. */
function serverThat(says: readonly unknown[]): Servers {
  let asked = 0;
  const answer = async (): Promise<unknown> => {
    asked += 1;
    // An end: a server that answers for ever is asked for ever.
    return asked <= says.length ? says[asked - 1] : ["0", []];
  };
  const answerList = async (): Promise<unknown[]> => {
    const said = await answer();
    return Array.isArray(said) ? said : [];
  };
  // All that a store asks of its servers.
  return untyped<Servers>({
    script: answer,
    call: answer,
    reserved: answerList,
    keys: { key: (_shard: number, name: string) => name, missing: () => "none" },
    wayTo: () => "",
  });
}

async function stored(says: readonly unknown[]): Promise<Ending> {
  const ids = [1, 2].map(taskId);
  const lease = { shard: 0, owner: "a", epoch: 1 };
  const store = (): RedisStore => new RedisStore(serverThat(says), 1);
  const uses: readonly (() => Promise<unknown>)[] = [
    () => store().acquire(0, "a", 1),
    () => store().renew(lease, 1),
    () => store().holder(0),
    () => store().commit(lease, 1, [inserted(sampleTask(1)), finished(sampleTask(2), "1", 5)]),
    async () => {
      for await (const items of store().load(0)) JSON.stringify(items);
    },
    () => store().parked(0, 10),
    () => store().read({ ids, keys: [{ name: "a", key: "k" }], bytes: true }),
    () => store().find({ limit: 10 }),
  ];
  const endings = new Set<Ending>();
  for (const use of uses) endings.add(await judgedLater(use));
  expectPristine();
  endings.delete("taken");
  return endings.size === 0 ? "taken" : [...endings].join(", ");
}

const ADDRESS = untyped<RedisAddress>({ kind: "single", shown: "redis://127.0.0.1:6379/0" });
const field = fc.tuple(
  fc.constantFrom(
    "redis_version",
    "cluster_enabled",
    "aof_enabled",
    "connected_slaves",
    "maxmemory_policy",
    "#",
    "",
  ),
  fc.oneof(fc.constantFrom("7.2.1", "0", "1", "always", ...HOSTILE_TEXTS), fc.string()),
);
const info = fc
  .array(field, { maxLength: 6 })
  .map((fields) => Buffer.from(`redis_version:8.0\r\n${fields.map((one) => one.join(":")).join("\r\n")}`));

export const REDIS_TARGETS: readonly Target[] = [
  target("replies of Redis", replies, stored),
  target("facts of Redis", fc.tuple(fc.oneof(info, reply), reply), ([first, second]) => {
    const says = [first, second];
    return judgedLater(() => readFacts(ADDRESS, async () => says.shift()));
  }),
];
