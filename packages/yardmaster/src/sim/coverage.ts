import {
  isTerminal,
  type State,
  type TaskId,
  TERMINAL_STATES,
  type TerminalState,
} from "../protocol/task.ts";
import type { Fact } from "../testing/fact.ts";

/** What can go wrong while a task is in a state. */
const FAULTS = [
  "dispatcher crash",
  "worker crash",
  "client crash",
  "broker refused",
  "broker lost",
  "broker late",
  "store refused",
  "store lost",
  "store late",
  "frame dropped",
  "frame duplicated",
  "batch cut",
  "channel lost",
  "dispatcher pause",
  "worker pause",
  "client pause",
  "disconnection",
  "broker restart",
  "clock set",
  "store full",
  "commit forgotten",
  "lie about absence",
  "lie about a mailbox",
  "engine loss",
  "frame withheld",
  "frame reordered",
  "call slow",
  "outage",
  "late notice",
  "absence unseen",
  "clock off",
  "clock drifting",
] as const;
type FaultKind = (typeof FAULTS)[number];

/** The states in which a record says that a task can be hit. */
const STATES = ["scheduled", "blocked", "ready", "held"] as const;

/** By cell, as `worker crash | held | succeeded`: how many tasks came through it. */
export type CellCounts = Map<string, number>;

export function allCells(): string[] {
  return FAULTS.flatMap((fault) =>
    STATES.flatMap((state) => TERMINAL_STATES.map((outcome) => cellName(fault, state, outcome))),
  );
}

function cellName(fault: FaultKind, state: (typeof STATES)[number], outcome: TerminalState): string {
  return `${fault} | ${state} | ${outcome}`;
}

interface LiveTask {
  state: number;
  /** By state: a bit for each fault that it met there; there are 32 in a number. */
  readonly met: number[];
}

/** Which faults tasks met, in which of their states, and how they ended. */
export class Coverage {
  readonly cells: CellCounts = new Map();
  readonly #live = new Map<TaskId, LiveTask>();

  fault(kind: FaultKind): void {
    const bit = 1 << FAULTS.indexOf(kind);
    for (const { state, met } of this.#live.values()) met[state] = (met[state] ?? 0) | bit;
  }

  observe(fact: Fact): void {
    if (fact.type !== "committed") return;
    for (const change of fact.changes) if ("task" in change) this.#changed(change.task.id, change.task.state);
  }

  #changed(id: TaskId, state: State): void {
    if (isTerminal(state)) {
      const task = this.#live.get(id);
      this.#live.delete(id);
      if (task !== undefined) this.#ended(task, state);
      return;
    }
    const task = this.#live.get(id) ?? { state: 0, met: STATES.map(() => 0) };
    task.state = placeOf(state);
    this.#live.set(id, task);
  }

  #ended({ met }: LiveTask, outcome: TerminalState): void {
    for (const [index, state] of STATES.entries())
      for (const [place, fault] of FAULTS.entries()) {
        if (((met[index] ?? 0) & (1 << place)) === 0) continue;
        const cell = cellName(fault, state, outcome);
        this.cells.set(cell, (this.cells.get(cell) ?? 0) + 1);
      }
  }
}

function placeOf(state: State): number {
  if (state === "scheduled" || state === "blocked") return STATES.indexOf(state);
  return STATES.indexOf(state === "assigned" || state === "running" ? "held" : "ready");
}
