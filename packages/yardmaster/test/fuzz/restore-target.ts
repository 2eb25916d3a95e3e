import fc from "fast-check";
import { nextFire } from "../../src/cron.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import type { StoredItem } from "../../src/protocol/change.ts";
import { decodeQueue, decodeRecord, encodeQueue, encodeRecord } from "../../src/protocol/record.ts";
import { Dice } from "./dice.ts";
import { goldenVectors } from "./frame-parts.ts";
import { HOSTILE_TEXTS } from "./hostile-values.ts";
import { judged } from "./judgement.ts";
import { byteMutant } from "./mutants.ts";
import { type Target, target } from "./target.ts";

const GOLDEN = goldenVectors("records.json");
const NOW = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const KINDS = [
  "schedule",
  "schedule-state",
  "edge",
  "graph",
  "rate",
  "queue-rate",
  "duration",
  "unheard-of",
] as const;
const SCHEDULE = new Map(GOLDEN).get("schedule") ?? Buffer.alloc(0);
const ID = "01a20a41-b509-7bda-b299-aa96b368d005";
const KEYS: readonly [string, ...string[]] = [
  "nightly",
  "médias",
  ID,
  `${ID}\n01a20a41-b50a-7000-8000-00000000f005`,
  "image.resize\n2",
  "\n",
  ...HOSTILE_TEXTS,
];
const WORDS: readonly [string, ...string[]] = [
  "0",
  "1",
  "-1",
  "NaN",
  "1e400",
  "1800000000000",
  "9007199254740993",
  "7",
  "deadbeefdeadbeef",
  ID,
  "",
  "__proto__",
  "\0",
];
const seed = fc.nat(2 ** 31 - 1);
const items = fc.array(fc.tuple(seed, fc.array(seed, { maxLength: 2 })), { minLength: 1, maxLength: 8 });

/** A row as somebody left it who was not this program, or was another version of it, or of whom the disk lost a part. */
function itemOf(first: number, steps: readonly number[]): StoredItem {
  const dice = new Dice(first);
  const [name, bytes] = dice.oneOf([...GOLDEN] as [(typeof GOLDEN)[number], ...typeof GOLDEN]);
  const mutant = byteMutant(bytes, steps);
  switch (dice.below(4)) {
    case 0: {
      if (name.startsWith("queue")) return { type: "queue", queue: decodeQueue(mutant) };
      if (name === "schedule" || dice.below(4) === 0)
        return {
          type: "row",
          kind: "schedule",
          key: "nightly",
          value: (dice.below(2) === 0 ? mutant : SCHEDULE).toString("latin1"),
        };
      return {
        type: "task",
        task: decodeRecord(mutant),
        payload: dice.oneOf([null, "", "{}", "\xff"]),
        result: null,
      };
    }
    case 1:
      return {
        type: "tombstone",
        id: dice.oneOf([ID, "", "__proto__"]),
        keepUntil: dice.oneOf([0, -1, NOW, 2 ** 53]),
      };
    case 2:
      return { type: "parked", count: dice.oneOf([0, 1, 1e15]) };
    default: {
      const value = Array.from({ length: dice.below(9) }, () => dice.oneOf(WORDS)).join(" ");
      const kind = dice.oneOf(KINDS);
      const key = kind.startsWith("schedule") && dice.below(2) === 0 ? "nightly" : dice.oneOf(KEYS);
      return { type: "row", kind, key, value };
    }
  }
}

/** A kernel that starts from such rows goes on for a day, and what it then wants to keep can be kept. */
function restoredAndRun(rows: readonly (readonly [number, readonly number[]])[]): void {
  const kernel = new Kernel({ shard: 0, epoch: 8, seed: 1, nextFire });
  for (const [first, steps] of rows) kernel.restore(itemOf(first, steps), NOW);
  kernel.restored(NOW);
  for (const now of [NOW, NOW + 1, NOW + DAY_MS]) {
    for (const change of kernel.effects(now).changes) {
      if ("task" in change) encodeRecord(change.task);
      if ("queue" in change) encodeQueue(change.queue);
    }
    for (const type of ["queues", "workers", "schedules", "stats"] as const)
      JSON.stringify(kernel.answer({ type }, now));
    JSON.stringify(kernel.answer({ type: "list", limit: 100 }, now));
  }
}

export const RESTORE_TARGETS: readonly Target[] = [
  target("a shard's rows", items, (rows) => judged(() => restoredAndRun(rows))),
];
