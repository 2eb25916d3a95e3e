import { expect, it } from "vitest";
import {
  acquired,
  committed,
  error,
  insert,
  settled,
  submitted,
  submitting,
  update,
} from "../../test/sample-facts.ts";
import { HistoryChecker } from "./history.ts";

it("counts an attempt that was lost in the commit that gave out the next one and took it back (seed 11151)", () => {
  const checker = new HistoryChecker({ slots: 1 });
  const ofTwo = { skipped: 1, error: error("WORKER_LOST") };
  const facts = [
    submitting(),
    submitted(),
    acquired(1),
    committed(1, 1, [insert("assigned")]),
    committed(1, 2, [update("ready", { ...ofTwo, attempt: 2 })]),
    committed(1, 3, [update("assigned", { ...ofTwo, attempt: 3 })]),
    committed(1, 4, [update("failed", { ...ofTwo, attempt: 3, error: error("HANDLER_FAILED") })]),
    settled("failed"),
  ];
  for (const fact of facts) checker.observe(fact);
  const rules = checker.finish({ awaited: new Set(["t1"]) }).map(({ rule }) => rule);
  expect(rules).not.toContain("ATTEMPTS_CUT");
});
