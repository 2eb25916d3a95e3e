import { optionCheck, optionsOf } from "../definition/options.ts";
import type { Change } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { oneLine, quoted } from "../protocol/quotation.ts";
import type { TaskId, TaskRecord, TerminalState } from "../protocol/task.ts";
import type { Fact, Intent } from "./fact.ts";
import { type HistoryLimits, RecordHistory } from "./history-records.ts";
import type { Report, Rule } from "./history-rules.ts";
import { RunHistory } from "./history-runs.ts";

export type { HistoryLimits };

/** A broken promise; `rule` is a name out of `docs/architecture.md`'s promises, in capitals. */
export interface Violation {
  readonly rule: string;
  readonly at: number;
  readonly message: string;
}

/** How the observer finds the yard at the end, after all faults are over and everything had time to settle. */
export interface Ending {
  /** Ids whose handles still live and so must have settled. */
  readonly awaited: ReadonlySet<TaskId>;
}

/**
 * Checks the promises of the design against a history, fact by fact. It knows nothing of how the yard works
 * and holds one small entry for each task.
 */
export class HistoryChecker {
  readonly #violations: Violation[] = [];
  #records: RecordHistory;
  readonly #runs: RunHistory;
  readonly #intents = new Map<string, Intent>();
  readonly #submitted = new Map<TaskId, { readonly label: string; readonly at: number }>();
  /** Submissions that were not found terminal yet. */
  readonly #open = new Set<TaskId>();
  readonly #refused = new Set<TaskId>();
  readonly #settled = new Map<TaskId, TerminalState>();
  readonly #read = new Map<TaskId, string>();
  readonly #limits: HistoryLimits;
  /** All that the records come from, where the engine may lose some of it. */
  #kept: Kept[] = [];
  /** Tasks of which the engine has lost something. */
  readonly #loose = new Set<TaskId>();
  /** Submissions that the engine may have lost. */
  readonly #excused = new Set<TaskId>();
  #now = 0;

  constructor(limits: HistoryLimits) {
    optionCheck("HistoryChecker").known(limits, ["slots", "clockSlackMs", "lossMs"]);
    this.#limits = limits;
    this.#records = new RecordHistory(limits, this.#report);
    this.#runs = new RunHistory(limits.slots, this.#records, this.#intents, this.#loose, this.#report);
  }

  /** What was found so far, in the order of time. */
  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** Adds a violation at the time of the latest fact. */
  report(rule: string, message: string): void {
    this.#violations.push({ rule, at: this.#now, message });
  }

  readonly #report: Report = (rule, message) => this.report(rule, message);

  /** Takes the next fact, in the order of time. Throws INVALID_INPUT for what is none. */
  observe(fact: Fact): void {
    try {
      this.#take(fact);
    } catch (error) {
      // What a type promises is not looked at field by field: there are millions of facts.
      if (!(error instanceof TypeError)) throw error;
      throw new YardmasterError(
        "INVALID_INPUT",
        `A ${quoted(fact?.type)} is not of its form: ${oneLine(error.message, 200)}.`,
        {
          cause: error,
        },
      );
    }
  }

  #take(fact: Fact): void {
    this.#now = fact.at;
    if ("id" in fact) mustBeText(fact.id, "id");
    if ("label" in fact) mustBeText(fact.label, "label");
    switch (fact.type) {
      case "submitting":
        this.#intents.set(fact.label, joined(this.#intents.get(fact.label), fact.intent));
        break;
      case "submitted":
        this.#submitted.set(fact.id, fact);
        this.#open.add(fact.id);
        break;
      case "submitFailed":
        if (fact.isCertain) this.#runs.neverSent(fact.label);
        break;
      case "accepted":
        if (fact.outcome === "refused") this.#refused.add(fact.id);
        break;
      case "cancelled":
        this.#runs.cancelled(fact.id, fact.at);
        break;
      case "acquired":
      case "scheduling":
      case "leaseLost":
      case "refused":
        this.#keep(fact);
        break;
      case "committed":
        this.#keep(fact);
        for (const change of fact.changes) this.#checkFailure(change);
        break;
      case "started":
        this.#runs.started(fact, fact.label, fact.at);
        break;
      case "effect":
        this.#runs.effect(fact);
        break;
      case "ended":
        this.#runs.ended(fact);
        break;
      case "processGone":
        this.#runs.processGone(fact.process);
        break;
      case "answered":
        this.#checkAnswer(fact);
        break;
      case "reported":
      case "fault":
        break;
      case "lost":
        this.#lose(fact.at, fact.since);
        break;
      case "read":
        this.#checkRead(fact);
        break;
      case "settled":
        this.#handleSettled(fact.id, fact.state);
        break;
      default:
        throw new TypeError("there is no such type");
    }
  }

  /** How many acknowledged submissions are not terminal yet. */
  get unsettled(): number {
    for (const id of this.#open) if (this.#records.terminalOf(id) !== undefined) this.#open.delete(id);
    return this.#open.size + this.#records.unfinished;
  }

  /** Every record that the store should have now. */
  get records(): ReadonlyMap<TaskId, TaskRecord> {
    return this.#records.all;
  }

  /** The promises that only the end can tell. */
  finish(ending: Ending): readonly Violation[] {
    const { awaited } = optionsOf("finish", ending);
    if (!(awaited instanceof Set)) optionCheck("finish").refuse("awaited", "a set of ids", awaited);
    for (const [id, { label }] of this.#submitted) this.#checkSubmission(id, label, ending);
    this.#records.finish((id) => this.#isForgotten(id));
    for (const record of this.#records.all.values()) {
      this.#checkAttempts(record);
      if (record.code === "SUPERSEDED" && this.#runs.startsOf(record.id) > 0)
        this.#tell(record.id, "REPLACED_RAN", `${record.id} was replaced by another and ran`);
    }
    this.#runs.finish();
    return this.#violations;
  }

  #keep(fact: Kept): void {
    if ((this.#limits.lossMs ?? 0) > 0) this.#kept.push(fact);
    record(this.#records, fact);
  }

  /**
   * The records are again what they were at a time, from which only their tasks' further lives are told; what was
   * acknowledged later may be gone.
   */
  #lose(at: number, since: number): void {
    if (at - since > (this.#limits.lossMs ?? 0))
      return this.#report(
        "LOST_TOO_MUCH",
        `The engine lost what it was told for ${(at - since).toFixed(0)} ms`,
      );
    for (const fact of this.#kept)
      if (fact.at > since && fact.type === "committed")
        for (const change of fact.changes) this.#loosen(change);
    this.#kept = this.#kept.filter((fact) => fact.at <= since);
    this.#records = new RecordHistory(this.#limits, this.#report);
    const known = this.#violations.length;
    for (const fact of this.#kept) record(this.#records, fact);
    this.#violations.length = known;
    this.#runs.goOn(this.#records, since);
    for (const [id, { at: submittedAt }] of this.#submitted) {
      if (submittedAt > since) this.#excused.add(id);
      else if (!this.#excused.has(id)) this.#open.add(id);
    }
    for (const id of this.#excused) this.#open.delete(id);
  }

  #loosen(change: Change): void {
    const id = "task" in change ? change.task.id : change.type === "tombstone" ? change.id : null;
    if (id !== null) this.#loose.add(id);
    // Of a second attempt, named by its task.
    if (change.type === "row") this.#loose.add(change.key);
  }

  #tell(id: TaskId, rule: Rule, message: string): void {
    // An alias ends as its first task does, so that it may say of a lost end what that one may.
    const { aliasOf = "" } = this.#records.all.get(id) ?? {};
    if (!this.#loose.has(id) && !this.#loose.has(aliasOf)) this.#report(rule, message);
  }

  #isForgotten(id: TaskId): boolean {
    if (this.#records.all.get(id)?.key.startsWith("throttle:") !== true) return false;
    const window = this.#intents.get(this.#submitted.get(id)?.label ?? "")?.keyWindowMs ?? 0;
    return window < LONG_WINDOW_MS;
  }

  #checkAnswer(fact: Extract<Fact, { type: "answered" }>): void {
    const lost = this.#records.answered(fact);
    if (lost !== null) this.#tell(fact.id, "OUTCOME_LOST", lost);
  }

  /** A handler that has failed has ended. */
  #checkFailure(change: Change): void {
    if (change.type !== "update" && change.type !== "finish") return;
    const { id, state, attempt, error } = change.task;
    const isFailure = (state === "scheduled" || state === "failed") && error?.code === "HANDLER_FAILED";
    if (isFailure && this.#runs.isRunning(id, attempt))
      this.#tell(id, "FAILED_WHILE_RUNNING", `Attempt ${attempt} of ${id} is recorded as failed and runs on`);
  }

  /** Only what ended an attempt uses one up. */
  #checkAttempts({ id, state, spec, error }: TaskRecord): void {
    if (state !== "failed" || spec.delivery !== "at-least-once" || !RETRIED.has(error?.code ?? "")) return;
    const label = this.#runs.labelOf(id) ?? this.#submitted.get(id)?.label ?? "";
    const used = this.#records.usedAttemptsOf(id);
    if (used < spec.attempts && this.#intents.get(label)?.mayGiveUp === false)
      this.#report("ATTEMPTS_CUT", `${label} (${id}) failed after ${used} of ${spec.attempts} attempts`);
  }

  #checkSubmission(id: TaskId, label: string, { awaited }: Ending): void {
    const state = this.#records.terminalOf(id);
    if (state === undefined) {
      if (this.#excused.has(id) && !this.#records.all.has(id)) return;
      const known = this.#records.describe(id);
      this.#report("ACKNOWLEDGED_LOST", `${label} (${id}) was acknowledged and is ${known}`);
    } else if (awaited.has(id) && !this.#settled.has(id)) {
      this.#report("HANDLE_HANGS", `${label} (${id}) is ${state} and its handle does not know`);
    }
    if (this.#refused.has(id) && this.#runs.startsOf(id) > 0)
      this.#tell(id, "REFUSED_RAN", `${label} (${id}) was refused and ran`);
  }

  #checkRead({ id, state, result }: Extract<Fact, { type: "read" }>): void {
    const seen = `${state} ${result}`;
    const before = this.#read.get(id) ?? seen;
    this.#read.set(id, before);
    if (before !== seen) this.#tell(id, "RESULT_CHANGED", `${id} was read as another result than before`);
    const recorded = this.#records.terminalOf(id);
    if (recorded !== state)
      this.#tell(
        id,
        "READ_DISAGREES",
        `${id} was read as ${state} while it is ${this.#records.describe(id)}`,
      );
  }

  #handleSettled(id: TaskId, state: TerminalState): void {
    const before = this.#settled.get(id);
    const recorded = this.#records.terminalOf(id);
    if (before !== undefined && before !== state)
      this.#tell(id, "HANDLE_CHANGED", `${id} settled as ${before} and then as ${state}`);
    else if (recorded !== state)
      this.#tell(
        id,
        "HANDLE_DISAGREES",
        `${id} settled as ${state} while it is ${this.#records.describe(id)}`,
      );
    this.#settled.set(id, state);
  }
}

/** What records come from. */
type Kept = Extract<Fact, { type: "acquired" | "committed" | "leaseLost" | "refused" | "scheduling" }>;

function record(records: RecordHistory, fact: Kept): void {
  if (fact.type === "acquired") records.acquired(fact.lease);
  else if (fact.type === "scheduling") records.flows.scheduling(fact.name, fact.overlap);
  else if (fact.type === "refused") records.refused(fact.lease, fact.sequence);
  else if (fact.type === "committed") records.committed(fact.lease, fact.sequence, fact.changes, fact.at);
  // One that has run out is good for commits until another owner comes.
  else if (fact.how === "released") records.released(fact.lease);
}

/** Longer than any history of a simulation. */
const LONG_WINDOW_MS = 600_000;

/** The errors after which there is another attempt as long as there is one left. */
const RETRIED: ReadonlySet<string> = new Set(["HANDLER_FAILED", "TIMED_OUT", "WORKER_LOST", "CLOSED"]);

/** Submissions that share an idempotency key are one task: the earliest may be the one that runs. */
function joined(before: Intent | undefined, intent: Intent): Intent {
  return before === undefined ? intent : { ...intent, dueAt: Math.min(before.dueAt, intent.dueAt) };
}

/** What names a task is told at the end too, long after its fact was taken. */
function mustBeText(value: unknown, what: string): void {
  if (typeof value !== "string") throw new TypeError(`its ${what} is no text`);
}
