import type { TaskId } from "../protocol/task.ts";
import type { Intent, RunName } from "./fact.ts";
import { whyTooEarly } from "./history-links.ts";
import type { RecordHistory } from "./history-records.ts";
import type { Report, Rule } from "./history-rules.ts";

interface Runs {
  readonly label: string;
  readonly attempts: Set<number>;
  starts: number;
  effects: number;
}

/** A worker that has had no word from a dispatcher for 7 s starts nothing; on the way is some more. */
const LATE_START_MS = 9_000;

/** What handlers did, and the rules that it must keep. */
export class RunHistory {
  readonly #slots: number;
  #records: RecordHistory;
  /** Tasks of which the engine has forgotten something: only their records are held against them. */
  readonly #loose: ReadonlySet<TaskId>;
  readonly #intents: ReadonlyMap<string, Intent>;
  readonly #report: Report;
  readonly #runs = new Map<TaskId, Runs>();
  readonly #ids = new Map<string, TaskId>();
  /** Whose cancel was confirmed, and when. */
  readonly #cancelled = new Map<TaskId, number>();
  readonly #neverSent = new Set<string>();
  /** The runs in progress, by process. */
  readonly #current = new Map<string, Set<string>>();

  constructor(
    slots: number,
    records: RecordHistory,
    intents: ReadonlyMap<string, Intent>,
    loose: ReadonlySet<TaskId>,
    report: Report,
  ) {
    this.#slots = slots;
    this.#records = records;
    this.#intents = intents;
    this.#loose = loose;
    this.#report = report;
  }

  /** The records are others now: the engine has lost its last moments, and what was confirmed in them. */
  goOn(records: RecordHistory, since: number): void {
    this.#records = records;
    for (const [id, at] of this.#cancelled) if (at > since) this.#cancelled.delete(id);
  }

  startsOf(id: TaskId): number {
    return this.#runs.get(id)?.starts ?? 0;
  }

  labelOf(id: TaskId): string | undefined {
    return this.#runs.get(id)?.label;
  }

  isRunning(id: TaskId, attempt: number): boolean {
    for (const current of this.#current.values()) if (current.has(`${id} ${attempt}`)) return true;
    return false;
  }

  /** A cancel of what had ended some other way was answered, and did nothing. */
  cancelled(id: TaskId, at: number): void {
    const terminal = this.#records.terminalOf(id);
    if (terminal === undefined || terminal === "cancelled") this.#cancelled.set(id, at);
  }

  /** Its submission failed before anything had left the client. */
  neverSent(label: string): void {
    this.#neverSent.add(label);
  }

  started(run: RunName, label: string, at: number): void {
    const { id, attempt, process } = run;
    const runs = this.#runs.get(id) ?? { label, attempts: new Set(), starts: 0, effects: 0 };
    this.#runs.set(id, runs);
    runs.starts++;
    if (runs.attempts.has(attempt))
      this.#tell(id, "ATTEMPT_TWICE", `${label} started attempt ${attempt} again`);
    runs.attempts.add(attempt);
    this.#checkStart(run, runs, at);
    const current = this.#current.get(process) ?? new Set();
    this.#current.set(process, current.add(`${id} ${attempt}`));
    if (current.size > this.#slots)
      this.#report("OVER_SLOTS", `${process} runs ${current.size} handlers in ${this.#slots} slots`);
  }

  effect({ id, attempt, process }: RunName): void {
    const runs = this.#runs.get(id);
    if (runs === undefined || this.#current.get(process)?.has(`${id} ${attempt}`) !== true) {
      this.#tell(
        id,
        "EFFECT_WITHOUT_RUN",
        `${id} attempt ${attempt} had an effect in ${process} and does not run there`,
      );
    }
    // Where the engine has lost the first, two runs of a task have one name, and the end of one is taken for both's.
    if (runs === undefined) return;
    runs.effects++;
    if (runs.effects > runs.starts)
      this.#tell(id, "EFFECTS_EXCEED_STARTS", `${id} had ${runs.effects} effects`);
  }

  ended({ id, attempt, process }: RunName): void {
    this.#current.get(process)?.delete(`${id} ${attempt}`);
  }

  processGone(process: string): void {
    this.#current.delete(process);
  }

  finish(): void {
    for (const id of this.#records.succeeded())
      if ((this.#runs.get(id)?.effects ?? 0) === 0)
        this.#report(
          "SUCCESS_WITHOUT_EFFECT",
          `${this.#runs.get(id)?.label ?? id} succeeded and did nothing`,
        );
  }

  #checkStart({ id, attempt }: RunName, runs: Runs, at: number): void {
    const { label } = runs;
    const first = this.#ids.get(label);
    const repeats = this.#intents.get(label)?.repeats === true;
    if (first !== undefined && first !== id && !repeats && !this.#loose.has(first))
      this.#tell(id, "RAN_AS_TWO", `${label} runs as ${first} and as ${id}`);
    this.#ids.set(label, id);
    if (this.#cancelled.has(id))
      this.#tell(id, "STARTED_AFTER_CANCEL", `${label} (${id}) started after its cancel was confirmed`);
    if (this.#records.attemptsOf(id) < attempt)
      this.#tell(
        id,
        "STARTED_UNRECORDED",
        `${label} started attempt ${attempt} and is ${this.#records.describe(id)}`,
      );
    if (at > this.#records.endedAtOf(id) + LATE_START_MS)
      this.#tell(id, "STARTED_LATE", `${label} (${id}) started long after it had ended`);
    const tooEarly = whyTooEarly(id, this.#records.all);
    if (tooEarly !== null)
      this.#tell(id, "STARTED_BEFORE_DEPENDENCY", `${label} (${id}) started while ${tooEarly}`);
    if (this.#neverSent.has(label))
      this.#report("FAILED_SUBMIT_RAN", `${label} (${id}) runs although nothing of it was sent`);
    const intent = this.#intents.get(label);
    if (intent === undefined) {
      this.#report("STARTED_UNASKED", `${label} (${id}) was never submitted`);
      return;
    }
    if (runs.starts > intent.attempts)
      this.#tell(id, "STARTS_EXCEED_ATTEMPTS", `${label} started ${runs.starts} times of ${intent.attempts}`);
    if (intent.atMostOnce && runs.starts > 1)
      this.#tell(id, "RAN_TWICE", `${label} may run once and started again`);
    if (at < intent.dueAt)
      this.#report("STARTED_EARLY", `${label} started ${(intent.dueAt - at).toFixed(1)} ms before its time`);
  }

  #tell(id: TaskId, rule: Rule, message: string): void {
    if (!this.#loose.has(id)) this.#report(rule, message);
  }
}
