import type { Change } from "../packages/yardmaster/src/protocol/change.ts";
import { isTerminal, type TaskId, type TaskRecord } from "../packages/yardmaster/src/protocol/task.ts";
import type { Lease } from "../packages/yardmaster/src/stores/store.ts";
import { linesOf } from "./lines.ts";
import type { Line } from "./recorder.ts";

/** A call to the store that took effect, or may have, between its beginning and its end. */
interface Attempt {
  readonly file: string;
  readonly call: number;
  readonly lease: Lease;
  /** 0 for the acquisition. */
  readonly sequence: number;
  readonly begunAt: number;
  /** Infinity where no answer came. */
  endedAt: number;
  outcome: "applied" | "fenced" | "refused" | "unknown";
  /** Kept while nobody knows whether it applied. */
  changes: readonly Change[] | null;
}

export interface Effect {
  readonly at: number;
  readonly lease: Lease;
}

/** Less than the clock tells apart. */
const STEP_MS = 0.000_1;

/** What a task that was loaded after an uncertain commit looked like. */
type Loaded = ReadonlyMap<TaskId, Pick<TaskRecord, "state" | "attempt" | "epoch" | "worker">>;

/** What the store has of a task in the end; null for nothing. */
export type Look = (ids: readonly TaskId[]) => Promise<ReadonlyMap<TaskId, TaskRecord>>;

/**
 * When each commit took effect. A fenced store orders all of a shard's: by epoch, then by sequence. Each took effect
 * somewhere between its call and its answer, so the earliest time that is neither before its call nor before its
 * predecessor's is as good as the real one, and where that is past its answer, no order explains what the store
 * answered: then it keeps the time of its call, and the checker sees a write of an earlier owner.
 */
export class Timeline {
  readonly #attempts: Attempt[] = [];
  readonly #open = new Map<string, Attempt>();
  readonly #loads = new Map<number, { readonly epoch: number; readonly tasks: Loaded }[]>();
  /** By file and call. */
  readonly #effects = new Map<string, Effect>();
  readonly #refusals = new Map<string, Pick<Attempt, "lease" | "sequence">>();
  /** When each file's acquisition was begun, by call. */
  readonly #acquiring = new Map<string, number>();

  /** How many commits of earlier owners were refused. */
  get fenced(): number {
    return this.#attempts.filter(({ outcome }) => outcome === "fenced").length;
  }

  /** The commit that a call was refused as an earlier owner's; undefined for all others. */
  refusalOf(file: string, call: number): Pick<Attempt, "lease" | "sequence"> | undefined {
    return this.#refusals.get(nameOf(file, call));
  }

  /** When a call took effect; undefined when it did not. */
  effectOf(file: string, call: number): Effect | undefined {
    return this.#effects.get(nameOf(file, call));
  }

  /** Reads a file's calls. */
  async read(file: string, other: (line: Line) => void): Promise<void> {
    for await (const line of linesOf(file)) {
      if (!this.#observe(file, line)) other(line);
    }
  }

  #observe(file: string, line: Line): boolean {
    switch (line.type) {
      case "acquiring":
        this.#acquiring.set(nameOf(file, line.call), line.at);
        return true;
      case "acquireEnd":
        this.#attempts.push({
          file,
          call: line.call,
          lease: line.lease,
          sequence: 0,
          begunAt: this.#acquiring.get(nameOf(file, line.call)) ?? line.at,
          endedAt: line.at,
          outcome: "applied",
          changes: null,
        });
        return true;
      case "committing": {
        const { call, lease, sequence, changes, at } = line;
        const endedAt = Number.POSITIVE_INFINITY;
        const attempt: Attempt = {
          ...{ file, call, lease, sequence, begunAt: at, endedAt },
          outcome: "unknown",
          changes,
        };
        this.#attempts.push(attempt);
        this.#open.set(nameOf(file, call), attempt);
        return true;
      }
      case "commitEnd": {
        const attempt = this.#open.get(nameOf(file, line.call));
        if (attempt === undefined) return true;
        this.#open.delete(nameOf(file, line.call));
        attempt.outcome = line.outcome;
        if (line.outcome === "fenced") this.#refusals.set(nameOf(file, line.call), attempt);
        // An unknown outcome may still come true after the caller has given up.
        if (line.outcome !== "unknown") {
          attempt.endedAt = line.at;
          attempt.changes = null;
        }
        return true;
      }
      case "loaded": {
        const loads = this.#loads.get(line.shard) ?? [];
        this.#loads.set(line.shard, loads);
        loads.push({ epoch: line.epoch, tasks: new Map(line.tasks.map((task) => [task.id, task])) });
        return true;
      }
      default:
        return false;
    }
  }

  /** Decides what is uncertain, and when everything took effect. */
  async settle(look: Look): Promise<void> {
    const shards = Map.groupBy(this.#attempts, ({ lease }) => lease.shard);
    for (const attempts of shards.values()) {
      const applied: Attempt[] = [];
      const byEpoch = Map.groupBy(attempts, ({ lease }) => lease.epoch);
      for (const epoch of [...byEpoch.keys()].sort((a, b) => a - b)) {
        applied.push(...(await this.#appliedOf(byEpoch.get(epoch) ?? [], look)));
      }
      let before = Number.NEGATIVE_INFINITY;
      for (const attempt of applied) {
        const { file, call, lease, begunAt, endedAt } = attempt;
        const at = Math.max(before + STEP_MS, begunAt);
        const isPossible = at <= endedAt;
        if (isPossible) before = at;
        this.#effects.set(nameOf(file, call), { at: isPossible ? at : begunAt, lease });
      }
    }
  }

  /** An epoch's calls that took effect, in order. */
  async #appliedOf(attempts: readonly Attempt[], look: Look): Promise<Attempt[]> {
    const bySequence = Map.groupBy(attempts, ({ sequence }) => sequence);
    const sequences = [...bySequence.keys()].sort((a, b) => a - b);
    const isApplied = ({ outcome }: Attempt): boolean => outcome === "applied";
    const last = sequences.findLast((sequence) => bySequence.get(sequence)?.some(isApplied) === true) ?? -1;
    const applied: Attempt[] = [];
    for (const sequence of sequences) {
      const tries = bySequence.get(sequence) ?? [];
      const unknown = tries.filter(({ outcome }) => outcome === "unknown");
      if (sequence <= last) {
        applied.push(...merged(tries.filter(isApplied), unknown));
      } else if (unknown[0] !== undefined && (await this.#didApply(unknown[0], look))) {
        applied.push(unknown[0]);
      }
    }
    return applied;
  }

  /** Whether the last commit of an epoch applied, by what the next owner found. */
  async #didApply({ lease, changes }: Attempt, look: Look): Promise<boolean> {
    const later = (this.#loads.get(lease.shard) ?? []).filter(({ epoch }) => epoch > lease.epoch);
    const [next] = later.sort((a, b) => a.epoch - b.epoch);
    if (next !== undefined) {
      const answers = (changes ?? []).map((change) => wasThere(change, next.tasks));
      // A new record that is there tells more than anything that is not.
      if (changes?.some((change, index) => change.type === "insert" && answers[index] === true)) return true;
      const [answer] = answers.filter((each) => each !== null);
      if (answer !== undefined) return answer;
    }
    const inserts = (changes ?? []).flatMap((change) => (change.type === "insert" ? [change.task.id] : []));
    return inserts.length > 0 && (await look(inserts)).size > 0;
  }
}

/**
 * The first try stands for all of one sequence number: whichever of them applied, the answer that told so came later.
 * Those that were answered as applied are told again, for the checker to compare.
 */
function merged(applied: readonly Attempt[], unknown: readonly Attempt[]): Attempt[] {
  const tries = [...applied, ...unknown].sort((a, b) => a.begunAt - b.begunAt);
  const [first, ...others] = tries;
  if (first === undefined) return [];
  const endedAt = Math.min(...tries.map((each) => each.endedAt));
  return [{ ...first, endedAt }, ...others.filter(({ outcome }) => outcome === "applied")];
}

/** Whether a change is in what was loaded after it; null when that does not tell. */
function wasThere(change: Change, loaded: Loaded): boolean | null {
  switch (change.type) {
    case "insert": {
      const { id, state, aliasOf } = change.task;
      // Neither what has ended nor what stands for another task is loaded.
      return change.parked || isTerminal(state) || aliasOf !== "" ? null : loaded.has(id);
    }
    case "finish":
      return !loaded.has(change.task.id);
    case "update": {
      const { id, state, attempt, epoch, worker } = change.task;
      const found = loaded.get(id);
      if (found === undefined) return null;
      return (
        found.state === state && found.attempt === attempt && found.epoch === epoch && found.worker === worker
      );
    }
    default:
      return null;
  }
}

function nameOf(file: string, call: number): string {
  return `${file} ${call}`;
}
