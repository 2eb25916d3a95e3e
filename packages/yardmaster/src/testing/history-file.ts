import { messageOf, YardmasterError } from "../protocol/errors.ts";
import type { Fact } from "./fact.ts";
import { HistoryChecker, type HistoryLimits, type Violation } from "./history.ts";

type Kind = "text" | "number" | "truth" | "group" | "list";

/** What each fact must have; what belongs to records and changes is the writer's business, and looked at as it is used. */
const FORMS: { readonly [T in Fact["type"]]: Readonly<Record<string, Kind>> } = {
  submitting: { label: "text", intent: "group" },
  submitted: { label: "text", id: "text" },
  submitFailed: { label: "text", isCertain: "truth" },
  accepted: { id: "text", outcome: "text" },
  cancelled: { id: "text" },
  acquired: { lease: "group" },
  leaseLost: { lease: "group", how: "text" },
  refused: { lease: "group", sequence: "number" },
  committed: { lease: "group", sequence: "number", changes: "list" },
  started: { label: "text", id: "text", attempt: "number", process: "text" },
  effect: { id: "text", attempt: "number", process: "text" },
  ended: { id: "text", attempt: "number", process: "text" },
  reported: { id: "text", attempt: "number", process: "text", epoch: "number", outcome: "text" },
  answered: { id: "text", attempt: "number", process: "text", epoch: "number" },
  processGone: { process: "text" },
  fault: { what: "text" },
  lost: { since: "number" },
  read: { id: "text", state: "text", result: "text" },
  scheduling: { name: "text", overlap: "text" },
  settled: { id: "text", state: "text" },
};

/** What became of a history. */
export interface Verdict {
  readonly facts: number;
  readonly violations: readonly Violation[];
}

/**
 * Checks a history that was written as one fact in JSON a line, in the order of time: one pass, and memory for one small
 * entry a task. Throws INVALID_INPUT with the number of the line that is no fact.
 */
export async function checkHistory(
  lines: Iterable<string> | AsyncIterable<string>,
  limits: HistoryLimits,
): Promise<Verdict> {
  const checker = new HistoryChecker(limits);
  let line = 0;
  let facts = 0;
  let at = Number.NEGATIVE_INFINITY;
  for await (const text of lines) {
    line += 1;
    if (text.trim() === "") continue;
    const fact = factOf(text, line);
    if (fact.at < at) throw wrong(line, `its time ${fact.at} is before that of the line above it, ${at}`);
    at = fact.at;
    facts += 1;
    try {
      checker.observe(fact);
    } catch (error) {
      throw wrong(line, `what it holds is not of a ${fact.type}'s form (${messageOf(error)})`);
    }
  }
  return { facts, violations: checker.finish({ awaited: new Set() }) };
}

function factOf(text: string, line: number): Fact {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(line, `it is not JSON (${messageOf(error)})`);
  }
  if (typeof value !== "object" || value === null) throw wrong(line, "it is no object");
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
  const type = fields.get("type");
  const form = Object.entries(FORMS).find(([name]) => name === type)?.[1];
  if (form === undefined) throw wrong(line, `its type ${JSON.stringify(type)} is unknown`);
  for (const [field, kind] of Object.entries({ at: "number" as const, ...form }))
    if (kindOf(fields.get(field)) !== kind) throw wrong(line, `its ${field} must be a ${kind}`);
  // Every field that the type promises at the top is there.
  return value as Fact;
}

function kindOf(value: unknown): Kind | null {
  if (typeof value === "string") return "text";
  if (typeof value === "boolean") return "truth";
  if (typeof value === "number") return Number.isFinite(value) ? "number" : null;
  if (Array.isArray(value)) return "list";
  return typeof value === "object" && value !== null ? "group" : null;
}

function wrong(line: number, why: string): YardmasterError {
  return new YardmasterError("INVALID_INPUT", `Line ${line} of the history is no fact: ${why}.`, {
    details: { line },
  });
}
