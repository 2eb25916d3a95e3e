import { beforeAll, describe, expect, it } from "vitest";
import { runSeed } from "../sim/scenario.ts";
import type { Fact } from "./fact.ts";
import { checkHistory } from "./history-file.ts";

const SLOTS = { slots: 1_000, lossMs: 1_000 };
/** Seeds with cancels, keys, graphs, failovers and lost workers between them. */
const SEEDS = [1, 3, 7, 12];

type OfType<T extends Fact["type"]> = Extract<Fact, { type: T }>;

let histories: Fact[][];

beforeAll(async () => {
  histories = [];
  for (const seed of SEEDS) {
    const facts: Fact[] = [];
    await runSeed(seed, { record: (fact) => facts.push(JSON.parse(JSON.stringify(fact))) });
    histories.push(facts);
  }
});

async function rulesBroken(facts: readonly Fact[]): Promise<string[]> {
  const { violations } = await checkHistory(
    facts.map((fact) => JSON.stringify(fact)),
    SLOTS,
  );
  return violations.map(({ rule }) => rule);
}

function all<T extends Fact["type"]>(facts: readonly Fact[], type: T): OfType<T>[] {
  return facts.filter((fact): fact is OfType<T> => fact.type === type);
}

/** The history with one thing wrong; null where there is nothing of the kind in it. */
type Corruption = (facts: readonly Fact[]) => Fact[] | null;

function without(facts: readonly Fact[], gone: Fact | undefined): Fact[] | null {
  return gone === undefined ? null : facts.filter((fact) => fact !== gone);
}

function after(facts: readonly Fact[], place: Fact | undefined, ...added: Fact[]): Fact[] | null {
  if (place === undefined) return null;
  const index = facts.indexOf(place) + 1;
  return [
    ...facts.slice(0, index),
    ...added.map((fact) => ({ ...fact, at: place.at })),
    ...facts.slice(index),
  ];
}

function swapped<T extends Fact>(
  facts: readonly Fact[],
  old: T | undefined,
  make: (fact: T) => T,
): Fact[] | null {
  return old === undefined ? null : facts.map((fact) => (fact === old ? make(old) : fact));
}

function lastCommit(facts: readonly Fact[]): OfType<"committed"> | undefined {
  return all(facts, "committed").findLast(({ changes }) => changes.length > 0);
}

function finishOf(facts: readonly Fact[]): OfType<"committed"> | undefined {
  return all(facts, "committed").find(({ changes }) => changes.some(({ type }) => type === "finish"));
}

const CORRUPTIONS: readonly [rule: string, what: string, corrupt: Corruption][] = [
  [
    "UPDATED_UNKNOWN",
    "an insert that is missing",
    (facts) =>
      swapped(
        facts,
        all(facts, "committed").find(({ changes }) => changes.some(({ type }) => type === "insert")),
        (fact) => ({ ...fact, changes: fact.changes.filter(({ type }) => type !== "insert") }),
      ),
  ],
  [
    "ACKNOWLEDGED_LOST",
    "a submission that nobody recorded",
    (facts) =>
      after(facts, facts.at(-1), {
        type: "submitted",
        at: 0,
        label: "lost",
        id: "018bcfe5-6800-7000-8000-000000000000",
      }),
  ],
  [
    "EPOCH_NOT_RISING",
    "an ownership twice",
    (facts) => after(facts, all(facts, "acquired")[0], ...all(facts, "acquired").slice(0, 1)),
  ],
  [
    "STALE_EPOCH",
    "a write of an earlier owner",
    (facts) =>
      after(
        facts,
        lastCommit(facts),
        ...all(facts, "committed")
          .slice(0, 1)
          .map((fact) => ({ ...fact, lease: { ...fact.lease, epoch: 0 } })),
      ),
  ],
  [
    "SEQUENCE_GAP",
    "a commit that is missing",
    (facts) =>
      without(
        facts,
        all(facts, "committed").find(({ sequence }) => sequence === 2),
      ),
  ],
  [
    "COMMIT_CHANGED",
    "a commit repeated with other changes",
    (facts) => {
      const last = lastCommit(facts);
      return last === undefined ? null : after(facts, last, { ...last, changes: [] });
    },
  ],
  [
    "INSERTED_TWICE",
    "an insert twice",
    (facts) => {
      const commit = all(facts, "committed").find(({ changes }) =>
        changes.some(({ type }) => type === "insert"),
      );
      return swapped(facts, commit, (fact) => ({
        ...fact,
        changes: [...fact.changes, ...fact.changes.filter(({ type }) => type === "insert")],
      }));
    },
  ],
  [
    "TERMINAL_CHANGED",
    "an end twice",
    (facts) =>
      swapped(facts, finishOf(facts), (fact) => ({
        ...fact,
        changes: [...fact.changes, ...fact.changes.filter(({ type }) => type === "finish")],
      })),
  ],
  [
    "NOT_SETTLED",
    "an end that is missing",
    (facts) =>
      swapped(facts, finishOf(facts), (fact) => ({
        ...fact,
        changes: fact.changes.filter(({ type }) => type !== "finish"),
      })),
  ],
  [
    "TERMINAL_WITHOUT_TIME",
    "an end without a time",
    (facts) =>
      swapped(facts, finishOf(facts), (fact) => ({
        ...fact,
        changes: fact.changes.map((change) =>
          change.type === "finish" ? { ...change, task: { ...change.task, finishedAt: 0 } } : change,
        ),
      })),
  ],
  [
    "STARTED_UNASKED",
    "a submission that is missing",
    (facts) => {
      const label = all(facts, "started")[0]?.label;
      return facts.filter((fact) => fact.type !== "submitting" || fact.label !== label);
    },
  ],
  [
    "STARTED_UNRECORDED",
    "an attempt that nobody assigned",
    (facts) => {
      const start = all(facts, "started")[0];
      return start === undefined ? null : after(facts, start, { ...start, attempt: 9 });
    },
  ],
  [
    "ATTEMPT_TWICE",
    "an attempt twice",
    (facts) => {
      const start = all(facts, "started")[0];
      return start === undefined ? null : after(facts, start, start);
    },
  ],
  [
    "STARTS_EXCEED_ATTEMPTS",
    "more attempts than allowed",
    (facts) =>
      swapped(
        facts,
        all(facts, "submitting").find(
          ({ label }) => all(facts, "started").filter((start) => start.label === label).length > 1,
        ),
        (fact) => ({ ...fact, intent: { ...fact.intent, attempts: 1 } }),
      ),
  ],
  [
    "RAN_TWICE",
    "two runs of what may run once",
    (facts) =>
      swapped(
        facts,
        all(facts, "submitting").find(
          ({ label }) => all(facts, "started").filter((start) => start.label === label).length > 1,
        ),
        (fact) => ({ ...fact, intent: { ...fact.intent, atMostOnce: true } }),
      ),
  ],
  [
    "STARTED_EARLY",
    "a start before its time",
    (facts) =>
      swapped(
        facts,
        all(facts, "submitting").find(({ label }) =>
          all(facts, "started").some((start) => start.label === label),
        ),
        (fact) => ({ ...fact, intent: { ...fact.intent, dueAt: 1e12 } }),
      ),
  ],
  [
    "STARTED_AFTER_CANCEL",
    "a start after a confirmed cancel",
    (facts) => {
      const start = all(facts, "started")[0];
      const before = facts[facts.indexOf(start as Fact) - 1];
      return start === undefined ? null : after(facts, before, { type: "cancelled", at: 0, id: start.id });
    },
  ],
  [
    "RAN_AS_TWO",
    "one task under two ids",
    (facts) => {
      const start = all(facts, "started")[0];
      const other = all(facts, "started").find(({ id }) => id !== start?.id);
      return start === undefined || other === undefined
        ? null
        : swapped(facts, other, (fact) => ({ ...fact, label: start.label }));
    },
  ],
  [
    "EFFECT_WITHOUT_RUN",
    "an effect of nobody",
    (facts) => {
      const effect = all(facts, "effect")[0];
      return effect === undefined ? null : after(facts, effect, { ...effect, process: "nobody" });
    },
  ],
  [
    "EFFECTS_EXCEED_STARTS",
    "an effect twice",
    (facts) => {
      const effect = all(facts, "effect").find(
        ({ id }) => all(facts, "started").filter((start) => start.id === id).length === 1,
      );
      return effect === undefined ? null : after(facts, effect, effect);
    },
  ],
  [
    "SUCCESS_WITHOUT_EFFECT",
    "a success that did nothing",
    (facts) => {
      const done = all(facts, "settled").find(({ state }) => state === "succeeded")?.id;
      return done === undefined ? null : facts.filter((fact) => fact.type !== "effect" || fact.id !== done);
    },
  ],
  [
    "HANDLE_DISAGREES",
    "a handle that says otherwise",
    (facts) =>
      swapped(
        facts,
        all(facts, "settled").find(({ state }) => state === "succeeded"),
        (fact) => ({ ...fact, state: "failed" }),
      ),
  ],
  [
    "HANDLE_CHANGED",
    "a handle that changes its mind",
    (facts) => {
      const end = all(facts, "settled")[0];
      return end === undefined
        ? null
        : after(facts, end, { ...end, state: end.state === "failed" ? "succeeded" : "failed" });
    },
  ],
  [
    "REFUSED_RAN",
    "a refused task that ran",
    (facts) => {
      const start = all(facts, "started").find(({ id }) =>
        all(facts, "submitted").some((one) => one.id === id),
      );
      return start === undefined
        ? null
        : after(facts, start, { type: "accepted", at: 0, id: start.id, outcome: "refused" });
    },
  ],
  [
    "RESULT_CHANGED",
    "a result that changes",
    (facts) => {
      const end = all(facts, "settled")[0];
      if (end === undefined) return null;
      const read = { type: "read", at: 0, id: end.id, state: end.state } as const;
      return after(facts, end, { ...read, result: "1" }, { ...read, result: "2" });
    },
  ],
  [
    "READ_DISAGREES",
    "a result that no record has",
    (facts) => {
      const end = all(facts, "settled").find(({ state }) => state === "succeeded");
      return end === undefined
        ? null
        : after(facts, end, { type: "read", at: 0, id: end.id, state: "expired", result: "" });
    },
  ],
  [
    "TOMBSTONE_OVER_RECORD",
    "a tombstone over a record",
    (facts) =>
      swapped(facts, finishOf(facts), (fact) => ({
        ...fact,
        changes: [
          ...fact.changes,
          ...fact.changes.flatMap((change) =>
            change.type === "finish"
              ? [{ type: "tombstone" as const, id: change.task.id, keepUntil: 9 }]
              : [],
          ),
        ],
      })),
  ],
  [
    "ADOPTED_UNKNOWN",
    "an adoption without a tombstone",
    (facts) =>
      swapped(
        facts,
        all(facts, "committed").find(({ changes }) => changes.some(({ type }) => type === "insert")),
        (fact) => ({
          ...fact,
          changes: fact.changes.map((change) =>
            change.type === "insert" ? { ...change, type: "adopt" as const } : change,
          ),
        }),
      ),
  ],
  [
    "KEY_TWICE",
    "two tasks with one key",
    (facts) => {
      const commit = lastCommit(facts);
      const [one, other] = all(facts, "settled");
      if (commit === undefined || one === undefined || other === undefined) return null;
      return facts.map((fact) =>
        fact.type !== "committed"
          ? fact
          : {
              ...fact,
              changes: fact.changes.map((change) =>
                "task" in change && (change.task.id === one.id || change.task.id === other.id)
                  ? {
                      ...change,
                      task: {
                        ...change.task,
                        key: "same",
                        aliasOf: "",
                        attempt: 1,
                        spec: { ...change.task.spec, name: "same" },
                      },
                    }
                  : change,
              ),
            },
      );
    },
  ],
  [
    "OVER_LIMIT",
    "more at a time than the limit",
    (facts) =>
      facts.map((fact) =>
        fact.type !== "committed"
          ? fact
          : {
              ...fact,
              changes: fact.changes.map((change) =>
                "task" in change
                  ? {
                      ...change,
                      task: {
                        ...change.task,
                        spec: { ...change.task.spec, name: "same", limits: { concurrency: 1, rate: null } },
                      },
                    }
                  : change,
              ),
            },
      ),
  ],
  [
    "STARTED_BEFORE_DEPENDENCY",
    "a start before what it waits for",
    (facts) => {
      const start = all(facts, "started")[0];
      const links = { graph: "", members: 0, after: ["nobody"], onFailure: "fail", fed: false } as const;
      return start === undefined
        ? null
        : facts.map((fact) =>
            fact.type !== "committed"
              ? fact
              : {
                  ...fact,
                  changes: fact.changes.map((change) =>
                    "task" in change && change.task.id === start.id
                      ? { ...change, task: { ...change.task, links } }
                      : change,
                  ),
                },
          );
    },
  ],
  [
    "STARTED_LATE",
    "a start long after the end",
    (facts) => {
      const end = all(facts, "settled").find(({ id }) =>
        all(facts, "started").some((start) => start.id === id),
      );
      const start = all(facts, "started").findLast(({ id }) => id === end?.id);
      return start === undefined
        ? null
        : [...facts, { ...start, attempt: start.attempt, at: (facts.at(-1)?.at ?? 0) + 60_000 }];
    },
  ],
  [
    "CANCEL_IGNORED",
    "a success after a recorded cancel",
    (facts) => {
      const done = all(facts, "settled").find(({ state }) => state === "succeeded")?.id;
      return facts.map((fact) =>
        fact.type !== "committed"
          ? fact
          : {
              ...fact,
              changes: fact.changes.map((change) =>
                "task" in change && change.task.id === done
                  ? { ...change, task: { ...change.task, cancelRequested: true } }
                  : change,
              ),
            },
      );
    },
  ],
];

describe("a history of the simulation", () => {
  it("keeps every promise", async () => {
    for (const facts of histories) expect(await rulesBroken(facts)).toEqual([]);
  });

  it("can be corrupted in more than thirty ways", () => {
    expect(CORRUPTIONS.length).toBeGreaterThan(30);
  });

  it.each(CORRUPTIONS)("with %s is told from %s", async (rule, _, corrupt) => {
    const corrupted = histories.map(corrupt).filter((facts) => facts !== null);
    expect(corrupted.length).toBeGreaterThan(0);
    const broken = await Promise.all(corrupted.map(rulesBroken));
    expect(broken.flat()).toContain(rule);
  });
});
