import { expect, it } from "vitest";
import { record } from "../../test/sample-facts.ts";
import type { TaskRecord } from "../protocol/task.ts";
import { whyTooEarly } from "./history-links.ts";

const LINKS = { graph: "", members: 0, after: ["alias"], onFailure: "fail", fed: false } as const;

it("takes a dependency that came as a duplicate for its first task (seed 36564)", () => {
  const tooEarly = (state: TaskRecord["state"]): string | null => {
    const alias = record("submitted", { id: "alias", aliasOf: "first" });
    const records = [record("assigned", { id: "late", links: LINKS }), alias, record(state, { id: "first" })];
    return whyTooEarly("late", new Map(records.map((one) => [one.id, one])));
  };
  expect(tooEarly("succeeded")).toBeNull();
  expect(tooEarly("running")).toContain("alias, which it waits for, is running");
});
