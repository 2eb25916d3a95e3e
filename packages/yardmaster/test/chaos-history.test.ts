import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { filesIn } from "../../../chaos/lines.ts";
import { merge } from "../../../chaos/merge.ts";
import type { Line } from "../../../chaos/recorder.ts";
import { Timeline } from "../../../chaos/timeline.ts";
import type { Change } from "../src/protocol/change.ts";
import type { Lease } from "../src/stores/store.ts";
import { HistoryChecker } from "../src/testing/history.ts";

/** As much of a change as the timeline looks at. */
function insert(id: string, aliasOf = ""): Change {
  const state = aliasOf === "" ? "ready" : "submitted";
  const task = { id, state, attempt: 0, epoch: 0, worker: "", spec: {}, aliasOf, key: "" };
  return {
    type: "insert",
    task,
    payload: "",
    parked: false,
    result: null,
    keepUntil: 0,
  } as unknown as Change;
}

function lease(epoch: number): Lease {
  return { shard: 0, owner: `owner-${epoch}`, epoch };
}

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "yardmaster-history-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, lines: readonly Line[], torn = ""): void {
  writeFileSync(
    join(folder, `${name}.jsonl`),
    lines.map((line) => `${JSON.stringify(line)}\n`).join("") + torn,
  );
}

/** The merged history and the rules that it breaks, but for tasks that never end. */
async function merged(): Promise<{ facts: string[]; rules: string[]; fenced: number }> {
  const timeline = new Timeline();
  const files = await filesIn(folder);
  for (const file of files) await timeline.read(file, () => undefined);
  await timeline.settle(async () => new Map());
  const checker = new HistoryChecker({ slots: 10 });
  const facts: string[] = [];
  for await (const fact of merge(files, timeline)) {
    checker.observe(fact);
    facts.push(fact.type === "committed" ? `${fact.lease.epoch}/${fact.sequence}` : fact.type);
  }
  return { facts, rules: checker.violations.map(({ rule }) => rule), fenced: timeline.fenced };
}

const acquired = (call: number, at: number, epoch: number, answeredAt: number = at + 1): Line[] => [
  { type: "acquiring", at, call },
  { type: "acquireEnd", at: answeredAt, call, lease: lease(epoch) },
];

/** A commit that is answered, or never. */
const committed = (
  call: number,
  at: number,
  epoch: number,
  sequence: number,
  answer: { readonly at: number; readonly outcome: "applied" | "fenced" | "refused" | "unknown" } | null,
  changes: readonly Change[] = [],
): Line[] => [
  { type: "committing", at, call, lease: lease(epoch), sequence, changes },
  ...(answer === null ? [] : [{ type: "commitEnd" as const, call, ...answer }]),
];

describe("a history of real processes", () => {
  it("has what handlers did after what they saw, and leaves a torn line out", async () => {
    const run = { id: "a", attempt: 1, process: "w" };
    write("w", [{ type: "started", at: 5, label: "a", ...run }], '{"at":9,"type":"ended","id":"a","att');
    write("w.effects", [{ type: "effect", at: 5, ...run }]);
    write("c", [{ type: "cancelled", at: 3, id: "b" }]);
    expect((await merged()).facts).toEqual(["cancelled", "started", "effect"]);
  });

  it("excuses an answer that an owner reads only after it was replaced", async () => {
    write("d1", [...acquired(1, 0, 1), ...committed(2, 10, 1, 1, { at: 50, outcome: "applied" })]);
    write("d2", [...acquired(1, 20, 2, 30), ...committed(2, 35, 2, 1, { at: 36, outcome: "applied" })]);
    expect(await merged()).toEqual({ facts: ["acquired", "1/1", "acquired", "2/1"], rules: [], fenced: 0 });
  });

  it("puts a commit before the acquisition that was asked for earlier and came later", async () => {
    write("d1", [...acquired(1, 0, 1), ...committed(2, 25, 1, 1, { at: 27, outcome: "applied" })]);
    write("d2", acquired(1, 20, 2, 30));
    expect(await merged()).toEqual({ facts: ["acquired", "1/1", "acquired"], rules: [], fenced: 0 });
  });

  it("tells of a write that was accepted from an owner that had been replaced", async () => {
    write("d1", [...acquired(1, 0, 1), ...committed(2, 40, 1, 1, { at: 41, outcome: "applied" })]);
    write("d2", acquired(1, 20, 2));
    expect((await merged()).rules).toEqual(["STALE_EPOCH"]);
  });

  it("tells of what was refused to such an owner, and counts it", async () => {
    write("d1", [...acquired(1, 0, 1), ...committed(2, 40, 1, 1, { at: 41, outcome: "fenced" })]);
    write("d2", acquired(1, 20, 2));
    expect(await merged()).toEqual({ facts: ["acquired", "acquired", "refused"], rules: [], fenced: 1 });
  });

  it.each([
    ["applied, when the next owner finds it", true],
    ["not applied, when the next owner does not", false],
  ])("takes a killed owner's last commit as %s", async (_, isFound) => {
    const change = insert("a");
    const task = "task" in change ? [change.task] : [];
    write("d1", [...acquired(1, 0, 1), ...committed(2, 10, 1, 1, null, [insert("b", "a"), change])]);
    write("d2", [
      ...acquired(1, 20, 2),
      { type: "loaded", at: 22, shard: 0, epoch: 2, tasks: isFound ? task : [] },
    ]);
    expect((await merged()).facts).toEqual(["acquired", ...(isFound ? ["1/1"] : []), "acquired"]);
  });

  it("takes a commit of unknown outcome as applied where it was answered later or the next number was", async () => {
    write("d1", [
      ...acquired(1, 0, 1),
      ...committed(2, 10, 1, 1, { at: 11, outcome: "unknown" }),
      ...committed(3, 12, 1, 1, { at: 13, outcome: "applied" }),
      ...committed(4, 14, 1, 2, { at: 15, outcome: "unknown" }),
      ...committed(5, 16, 1, 3, { at: 17, outcome: "applied" }),
    ]);
    expect(await merged()).toEqual({ facts: ["acquired", "1/1", "1/1", "1/2", "1/3"], rules: [], fenced: 0 });
  });

  it("tells of a number that was used for two commits", async () => {
    write("d1", [
      ...acquired(1, 0, 1),
      ...committed(2, 10, 1, 1, { at: 11, outcome: "applied" }, [insert("a")]),
      ...committed(3, 12, 1, 1, { at: 13, outcome: "applied" }, [insert("b")]),
    ]);
    expect((await merged()).rules).toEqual(["COMMIT_CHANGED"]);
  });
});
