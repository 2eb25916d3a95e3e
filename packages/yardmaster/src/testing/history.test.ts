import { describe, expect, it } from "vitest";
import {
  acquired,
  committed,
  effect,
  ended,
  error,
  type INTENT,
  insert,
  queue,
  RUN,
  read,
  record,
  SPEC,
  settled,
  started,
  submitted,
  submitting,
  update,
} from "../../test/sample-facts.ts";
import type { Change } from "../protocol/change.ts";
import { tickKey } from "../protocol/schedule.ts";
import { DEFAULT_SETTINGS, type State, type TaskRecord } from "../protocol/task.ts";
import type { Fact } from "./fact.ts";
import { HistoryChecker } from "./history.ts";
import { RULES, type Rule } from "./history-rules.ts";

const LIMITED = { ...SPEC, limits: { concurrency: 1, rate: null } };
/** With ids of shard 0, as rates are by shard. */
const RATED = {
  id: "a-00000000",
  spec: { ...SPEC, limits: { concurrency: 0, rate: { limit: 1, perMs: 1000, burst: 1 } } },
};
const OTHER = { id: "b-00000000", worker: "w2" };
const ONCE: TaskRecord["spec"] = { ...SPEC, attempts: 1 };
const REPLACING: Partial<TaskRecord> = {
  terms: {
    deadline: 0,
    deadlineInMs: 0,
    fairnessKey: "",
    weight: 1,
    concurrencyKey: "",
    rateKey: "",
    affinityKey: "",
    replace: { key: "k", waitMs: 0, maxWaitMs: 0, until: 0 },
  },
};
const LINKS = { graph: "", members: 0, after: ["t0"], onFailure: "fail", fed: false } as const;

/** Histories with one thing wrong, by the rule that must tell it and no other. */
const CORRUPTIONS: readonly [Rule, Fact[]][] = [
  ["ACKNOWLEDGED_LOST", [submitting(), submitted(), acquired(1)]],
  ["NOT_SETTLED", [acquired(1), committed(1, 1, [insert("ready")])]],
  ["EPOCH_NOT_RISING", [acquired(2), acquired(2)]],
  ["STALE_EPOCH", [acquired(1), acquired(2), committed(1, 1, [])]],
  ["SEQUENCE_GAP", [acquired(1), committed(1, 2, [])]],
  ["SEQUENCE_GAP", [acquired(1), committed(2, 1, [])]],
  ["COMMIT_CHANGED", [acquired(1), committed(1, 1, []), committed(1, 1, [insert("failed")])]],
  ["INSERTED_TWICE", [acquired(1), committed(1, 1, [insert("failed")]), committed(1, 2, [insert("failed")])]],
  ["UPDATED_UNKNOWN", [acquired(1), committed(1, 1, [update("failed")])]],
  [
    "TERMINAL_CHANGED",
    [acquired(1), committed(1, 1, [insert("failed")]), committed(1, 2, [update("failed")])],
  ],
  ["TERMINAL_WITHOUT_TIME", [acquired(1), committed(1, 1, [insert("failed", { finishedAt: 0 })])]],
  [
    "OVER_CREDIT",
    [
      acquired(1),
      committed(1, 1, [insert("assigned"), insert("assigned", { id: "t2" })]),
      committed(1, 2, [update("failed"), update("failed", { id: "t2" })]),
    ],
  ],
  ["ADOPTED_UNKNOWN", [acquired(1), committed(1, 1, [{ ...insert("cancelled"), type: "adopt" }])]],
  [
    "TOMBSTONE_OVER_RECORD",
    [
      acquired(1),
      committed(1, 1, [insert("failed")]),
      committed(1, 2, [{ type: "tombstone", id: "t1", keepUntil: 9 }]),
    ],
  ],
  [
    "KEY_TWICE",
    [
      acquired(1),
      committed(1, 1, [insert("failed", { key: "k" }), insert("failed", { id: "t2", key: "k" })]),
    ],
  ],
  [
    "WROTE_AFTER_RELEASE",
    [
      acquired(1),
      { type: "leaseLost", at: 1, lease: { shard: 0, owner: "o", epoch: 1 }, how: "released" },
      committed(1, 1, [insert("failed")]),
    ],
  ],
  [
    "REFUSED_APPLIED",
    [
      acquired(1),
      { type: "refused", at: 1, lease: { shard: 0, owner: "o", epoch: 1 }, sequence: 1 },
      committed(1, 1, [insert("failed")]),
    ],
  ],
  [
    "OUTCOME_LOST",
    [
      acquired(1),
      committed(1, 1, [insert("running")]),
      { type: "reported", at: 1, ...RUN, epoch: 1, outcome: "failed" },
      { type: "answered", at: 1, ...RUN, epoch: 1 },
      committed(1, 2, [update("failed")]),
    ],
  ],
  ["FAILED_SUBMIT_RAN", ran({}, { type: "submitFailed", at: 1, label: "task", isCertain: true }, started())],
  ["LOST_TOO_MUCH", [acquired(1), { type: "lost", at: 2_001, since: 1_000 }]],
  ["STARTED_UNASKED", [acquired(1), committed(1, 1, [insert("failed")]), started()]],
  ["STARTED_UNRECORDED", [submitting(), started()]],
  ["STARTED_EARLY", ran({ dueAt: 5 }, started())],
  [
    "STARTED_AFTER_CANCEL",
    [
      submitting(),
      acquired(1),
      committed(1, 1, [insert("cancelled", { attempt: 1 })]),
      { type: "cancelled", at: 1, id: "t1" },
      started(),
    ],
  ],
  ["ATTEMPT_TWICE", ran({}, started(), ended(), started())],
  ["RAN_TWICE", ran({ atMostOnce: true }, started(), ended(), started({ attempt: 2 }))],
  [
    "RAN_TWICE",
    [
      acquired(1),
      committed(1, 1, [
        insert("failed", { spec: { ...SPEC, delivery: "at-most-once" } }),
        { type: "row", kind: "second", key: "t1", value: "2 w2" },
      ]),
    ],
  ],
  [
    "RAN_AS_TWO",
    [
      submitting(),
      acquired(1),
      committed(1, 1, [insert("failed"), insert("failed", { id: "t2" })]),
      started(),
      ended(),
      started({ id: "t2" }),
    ],
  ],
  ["STARTS_EXCEED_ATTEMPTS", ran({ attempts: 1 }, started(), ended(), started({ attempt: 2 }))],
  ["OVER_SLOTS", ran({}, started(), started({ attempt: 2 }))],
  ["EFFECT_WITHOUT_RUN", ran({}, effect())],
  ["EFFECTS_EXCEED_STARTS", ran({}, started(), effect(), effect())],
  ["STARTED_LATE", ran({}, started({}, 20_000))],
  [
    "CANCEL_IGNORED",
    [
      submitting(),
      acquired(1),
      committed(1, 1, [insert("assigned", { cancelRequested: true })]),
      started(),
      effect(),
      committed(1, 2, [update("succeeded")]),
    ],
  ],
  [
    "FAILED_WHILE_RUNNING",
    [
      submitting(),
      acquired(1),
      committed(1, 1, [insert("assigned")]),
      started(),
      committed(1, 2, [update("failed", { error: error("HANDLER_FAILED"), spec: ONCE })]),
    ],
  ],
  [
    "ATTEMPTS_CUT",
    [
      submitting(),
      submitted(),
      acquired(1),
      committed(1, 1, [insert("assigned")]),
      committed(1, 2, [update("ready", { attempt: 0 })]),
      committed(1, 3, [update("assigned", { attempt: 2 })]),
      committed(1, 4, [update("failed", { attempt: 2, error: error("TIMED_OUT") })]),
      settled("failed"),
    ],
  ],
  ["SUCCESS_WITHOUT_EFFECT", [acquired(1), committed(1, 1, [insert("succeeded")])]],
  ["HANDLE_DISAGREES", [acquired(1), committed(1, 1, [insert("failed")]), settled("succeeded")]],
  [
    "HANDLE_CHANGED",
    [acquired(1), committed(1, 1, [insert("failed")]), settled("failed"), settled("cancelled")],
  ],
  ["HANDLE_HANGS", [submitting(), submitted(), acquired(1), committed(1, 1, [insert("failed")])]],
  [
    "RESULT_CHANGED",
    [acquired(1), committed(1, 1, [insert("failed")]), read("failed", "a"), read("failed", "b")],
  ],
  ["READ_DISAGREES", [acquired(1), committed(1, 1, [insert("failed")]), read("succeeded", "a")]],
  ["OVER_LIMIT", pair("assigned", { worker: "w2", spec: LIMITED }, { spec: LIMITED })],
  [
    "OVER_LIMIT",
    [
      acquired(1),
      committed(1, 1, [queue({ settings: { ...DEFAULT_SETTINGS, concurrency: 1 } })]),
      committed(1, 2, [insert("assigned"), insert("assigned", { id: "t2", worker: "w2" })]),
      committed(1, 3, [update("failed"), update("failed", { id: "t2" })]),
    ],
  ],
  [
    "OVER_RATE",
    [
      acquired(1),
      committed(1, 1, []),
      committed(1, 2, [insert("assigned", RATED), insert("assigned", { ...RATED, ...OTHER })]),
      committed(1, 3, [update("failed", RATED), update("failed", { ...RATED, ...OTHER })]),
    ],
  ],
  [
    "OUT_OF_ORDER",
    [
      acquired(1),
      committed(1, 1, [queue({}), insert("ready", { attempt: 0 })]),
      committed(1, 2, [insert("assigned", { id: "t2" })]),
      committed(1, 3, [update("failed"), update("failed", { id: "t2" })]),
    ],
  ],
  ["REPLACED_NOT", pair("ready", REPLACING, REPLACING)],
  [
    "REPLACED_TRIED",
    [
      acquired(1),
      committed(1, 1, [insert("scheduled", REPLACING)]),
      committed(1, 2, [update("cancelled", { ...REPLACING, code: "SUPERSEDED" })]),
    ],
  ],
  [
    "REPLACED_RAN",
    [
      submitting(),
      acquired(1),
      committed(1, 1, [insert("assigned", REPLACING)]),
      started(),
      committed(1, 2, [update("cancelled", { ...REPLACING, code: "SUPERSEDED" })]),
    ],
  ],
  [
    "OVERLAPPED",
    [
      { type: "scheduling", at: 0, name: "beat", overlap: "skip" },
      ...pair("ready", { key: tickKey("beat", 6) }, { key: tickKey("beat", 5) }),
    ],
  ],
  [
    "TICK_TWICE",
    [
      acquired(1),
      committed(1, 1, [
        insert("failed", { key: tickKey("beat", 5) }),
        insert("failed", { id: "t2", key: tickKey("beat", 5), spec: { ...SPEC, name: "other" } }),
      ]),
    ],
  ],
  ["STARTED_BEFORE_DEPENDENCY", dependent("ready")],
  ["STARTED_BEFORE_DEPENDENCY", dependent("failed")],
  [
    "REFUSED_RAN",
    [
      submitting(),
      submitted(),
      { type: "accepted", at: 1, id: "t1", outcome: "refused" },
      acquired(1),
      committed(1, 1, [insert("failed")]),
      started(),
      settled("failed"),
    ],
  ],
];

describe("the history checker", () => {
  it("finds nothing wrong with a plain life", () => {
    expect(rulesBroken(life())).toEqual([]);
  });

  it("finds nothing wrong with a commit that is repeated as it was", () => {
    expect(
      rulesBroken(life([1, [update("assigned")]], [2, [update("running")]], [2, [update("running")]])),
    ).toEqual([]);
  });

  it("counts what is not settled yet", () => {
    const checker = new HistoryChecker({ slots: 1 });
    for (const fact of [submitting(), submitted(), acquired(1)]) checker.observe(fact);
    expect(checker.unsettled).toBe(1);
    checker.observe(committed(1, 1, [insert("succeeded")]));
    expect(checker.unsettled).toBe(0);
  });

  it("takes no name of a task that cannot be told at the end", () => {
    const hostile = { __proto__: null };
    for (const name of ["id", "label"]) {
      const checker = new HistoryChecker({ slots: 1 });
      const fact = { ...submitted(), [name]: hostile } as Fact;
      expect(() => checker.observe(fact)).toThrow(`its ${name} is no text`);
      expect(() => checker.finish({ awaited: new Set() })).not.toThrow();
    }
  });

  it.each(CORRUPTIONS)("reports %s and nothing else", (rule, facts) => {
    expect(new Set(rulesBroken(facts))).toEqual(new Set([rule]));
  });

  it("is told wrong in each of its rules", () => {
    expect(new Set(CORRUPTIONS.map(([rule]) => rule))).toEqual(new Set(RULES));
  });

  it("counts every way of using up an attempt", () => {
    const lost = { error: error("WORKER_LOST") };
    const used = [
      committed(1, 1, [insert("assigned")]),
      committed(1, 2, [update("ready", lost)]),
      committed(1, 3, [update("assigned", { attempt: 2, ...lost })]),
      committed(1, 4, [update("failed", { attempt: 2, error: error("TIMED_OUT") })]),
    ];
    expect(rulesBroken([submitting(), submitted(), acquired(1), ...used, settled("failed")])).toEqual([]);
  });

  it("allows what an engine declares that it may lose, and nothing older", () => {
    expect(rulesBroken(forgotten(0.5))).toEqual([]);
    const retold = [
      { ...acquired(2), at: 3 },
      { ...committed(2, 1, [insert("cancelled")]), at: 3 },
    ];
    expect(rulesBroken([...forgotten(0.5), ...retold, { ...settled("cancelled"), at: 4 }])).toEqual([]);
    const older = [
      submitting(),
      { ...submitted(), at: 1 },
      acquired(1),
      { ...committed(1, 1, [insert("failed")]), at: 2 },
    ];
    expect(rulesBroken([...older, settled("failed"), { type: "lost", at: 3, since: 1.5 }])).toEqual([
      "ACKNOWLEDGED_LOST",
    ]);
  });

  it("forgets the runs of a process that is gone", () => {
    const gone: Fact = { type: "processGone", at: 1, process: "w1" };
    expect(rulesBroken([submitting(), started(), gone, started({ attempt: 2 })])).not.toContain("OVER_SLOTS");
  });

  it("takes a second attempt that goes on for no start of its rate", () => {
    const fields = { ...RATED, spec: { ...RATED.spec, speculation: { afterFactor: 2, afterMs: 0 } } };
    const facts = [
      acquired(1),
      committed(1, 1, []),
      committed(1, 2, [insert("running", fields)]),
      committed(1, 3, [update("running", { ...fields, attempt: 2 })]),
    ];
    expect(rulesBroken(facts)).not.toContain("OVER_RATE");
  });

  it("holds a task that starts with its queue's declaration to the order of that", () => {
    const wait = (id: string, at: number): Fact =>
      committed(1, at + 1, [queue({}), insert("ready", { attempt: 0, id })]);
    const start = committed(1, 3, [update("assigned", { id: "t2" }), queue({ order: "priority" })]);
    expect(rulesBroken([acquired(1), ...["t1", "t2"].map(wait), start])).not.toContain("OUT_OF_ORDER");
  });

  it.each<[string, number, Rule[]]>([
    ["of the shard that it is in", 0, ["OUT_OF_ORDER", "OVER_LIMIT"]],
    ["of no other shard", 1, []],
  ])("holds a queue to the settings %s", (_, shard, broken) => {
    const lease = { shard: 1, owner: "d2", epoch: 1 };
    const strict = queue({ settings: { ...DEFAULT_SETTINGS, concurrency: 1 } });
    const loose = queue({ order: "priority" });
    const overtaking = [{ id: "t2" }, { id: "t3", worker: "w2" }];
    const facts: Fact[] = [
      acquired(1),
      committed(1, 1, [shard === 0 ? strict : loose, insert("ready", { attempt: 0 })]),
      { type: "acquired", at: 1, lease },
      { type: "committed", at: 1, lease, sequence: 1, changes: [shard === 1 ? strict : loose] },
      committed(
        1,
        2,
        overtaking.map((fields) => insert("assigned", fields)),
      ),
      committed(
        1,
        3,
        [{}, ...overtaking].map((fields) => update("failed", fields)),
      ),
    ];
    expect(new Set(rulesBroken(facts))).toEqual(new Set(broken));
  });

  it("takes the cancel of what had ended otherwise for none", () => {
    const ended = [submitting(), acquired(1), committed(1, 1, [insert("failed")])];
    const cancelled: Fact = { type: "cancelled", at: 1, id: "t1" };
    expect(rulesBroken([...ended, cancelled, started()])).not.toContain("STARTED_AFTER_CANCEL");
  });

  it("takes an alias for settled when its first task is", () => {
    const alias = insert("submitted", { id: "t2", aliasOf: "t1", key: "k" });
    const facts = [acquired(1), committed(1, 1, [insert("failed", { key: "k" }), alias])];
    expect(rulesBroken([...facts, { type: "settled", at: 2, id: "t2", state: "failed" }])).toEqual([]);
  });

  it("lets an alias say of a lost end what its first task may, and of one that was never written nothing", () => {
    const alias = insert("submitted", { id: "t2", aliasOf: "t1", key: "k" });
    const kept = [acquired(1), committed(1, 1, [insert("assigned", { key: "k" }), alias])];
    const lost: Fact[] = [
      { ...committed(1, 2, [update("failed", { key: "k" })]), at: 2 },
      { type: "lost", at: 3, since: 1.5 },
    ];
    const told: Fact[] = [
      { type: "settled", at: 3, id: "t2", state: "failed" },
      { type: "read", at: 3, id: "t2", state: "failed", result: "FAILED" },
    ];
    const again: Fact[] = [
      { ...committed(1, 2, [update("cancelled", { key: "k" })]), at: 4 },
      { type: "settled", at: 5, id: "t2", state: "cancelled" },
      { type: "read", at: 5, id: "t2", state: "cancelled", result: "CANCELLED" },
    ];
    expect(rulesBroken([...kept, ...lost, ...told, ...again])).toEqual([]);
    expect(rulesBroken([...kept, ...told, ...again])).toEqual([
      "HANDLE_DISAGREES",
      "READ_DISAGREES",
      "HANDLE_CHANGED",
      "RESULT_CHANGED",
    ]);
  });
});

function rulesBroken(facts: readonly Fact[]): string[] {
  const checker = new HistoryChecker({ slots: 1, lossMs: 1_000 });
  for (const fact of facts) checker.observe(fact);
  return checker.finish({ awaited: new Set(["t1"]) }).map(({ rule }) => rule);
}

/** The facts between the record of two attempts and the end. */
function ran(intent: Partial<typeof INTENT>, ...facts: readonly Fact[]): Fact[] {
  const ends = committed(1, 1, [insert("failed", { attempt: 2 })]);
  return [submitting(intent), acquired(1), ends, ...facts];
}

/** A task whose record and acknowledgement came at a time, and an engine that lost what it was told after another. */
function forgotten(since: number): Fact[] {
  return [
    submitting(),
    acquired(1),
    { ...committed(1, 1, [insert("failed")]), at: 1 },
    { ...submitted(), at: 1 },
    settled("failed"),
    { type: "lost", at: 2, since },
  ];
}

/** Two tasks beside one another until both end. */
function pair(state: State, other: Partial<TaskRecord>, fields: Partial<TaskRecord>): Fact[] {
  const second = { id: "t2", ...other };
  return [
    acquired(1),
    committed(1, 1, [insert(state, { attempt: 0, ...fields }), insert(state, { attempt: 0, ...second })]),
    committed(1, 2, [update("failed", fields), update("failed", second)]),
  ];
}

/** A task that starts while the one that it waits for is in a state. */
function dependent(state: State): Fact[] {
  return [
    submitting(),
    acquired(1),
    committed(1, 1, [insert("assigned", { links: LINKS }), insert(state, { id: "t0" })]),
    started(),
    ended(),
    committed(1, 2, [update("failed"), ...(state === "failed" ? [] : [update("failed", { id: "t0" })])]),
  ];
}

function life(...commits: [number, Change[]][]): Fact[] {
  return [
    submitting(),
    submitted(),
    acquired(1),
    committed(1, 1, [insert("assigned")]),
    ...commits.map(([sequence, changes]) => committed(1, sequence + 1, changes)),
    started(),
    { type: "effect", at: 1, ...RUN },
    { type: "ended", at: 1, ...RUN },
    committed(1, (commits.at(-1)?.[0] ?? 0) + 2, [
      { type: "finish", task: record("succeeded"), payload: null, result: null, keepUntil: 9 },
    ]),
    settled("succeeded"),
  ];
}
