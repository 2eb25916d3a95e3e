import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MUTANTS, type Mutant } from "../../../../mutants/mutants.ts";

/** Plans that failed once, by what went wrong, and the reverse of the fix. */
export const PLANS: readonly { readonly wrong: string; readonly plan: string; readonly reverse: Mutant }[] = [
  {
    wrong: "a task that was tried ended as replaced when it was handed back",
    plan: "handed-back-after-a-failure",
    reverse: plantedBug("tried-is-replaced"),
  },
  {
    // Seed 53036.
    wrong: "the run was over before a task had waited ten minutes for one that the engine had lost",
    plan: "waited-for-what-was-lost",
    reverse: {
      name: "arrival-not-awaited",
      breaks: "The simulation waits less than a task may wait for what never arrives.",
      file: "sim/scenario.ts",
      find: "this.#isStuck(this.#restDue)",
      replace: "this.#world.timeline.now >= healAt + LIVENESS_MS",
    },
  },
  {
    wrong: "a shard without a submit lane was taken and given up for ever, as nobody made the lane again",
    plan: "lanes-lost-with-the-engine",
    // Not among the planted bugs, as few seeds find it (54,573 and 58,535 did).
    reverse: {
      name: "lanes-once",
      breaks: "A lane is made when a dispatcher starts, and never again when the engine has lost it.",
      file: "dispatcher/inputs.ts",
      find: "await broker.declare(mailbox, { durable: isSubmissions });",
      replace: "",
    },
  },
  {
    wrong: "the success of a task was dropped that waits again for what the engine has lost",
    plan: "success-of-what-waits-again",
    // Not among the planted bugs, as no 2,000 seeds find it.
    reverse: {
      name: "blocked-cannot-succeed",
      breaks: "A success counts, also where the engine has lost that its task was let go.",
      file: "kernel/transitions.ts",
      find: "orphaned: giveUp, cancelled: cancel, expired: expire, succeededLate: succeedLate",
      replace: "orphaned: giveUp, cancelled: cancel, expired: expire",
    },
  },
  {
    wrong: "a cancel was confirmed while a worker that was lost from sight could still start the task",
    plan: "cancel-while-lost-from-sight",
    // Not among the planted bugs, as few seeds find it (28,430 did).
    reverse: {
      name: "lost-starts-no-more",
      breaks: "A cancel does not wait for a worker that may only be frozen or cut off.",
      file: "kernel/presumed-deaths.ts",
      find: "mayStillStart(worker);",
      replace: "",
    },
  },
  {
    // Seed 220456.
    wrong: "the checker held a graph's cancel to be confirmed that the engine had lost",
    plan: "lost-cancel-of-a-graph",
    reverse: {
      name: "lost-cancel-counts",
      breaks: "What was confirmed in an engine's last moments counts although it has lost them.",
      file: "testing/history-runs.ts",
      find: "if (at > since) this.#cancelled.delete(id);",
      replace: "if (at < 0) this.#cancelled.delete(id);",
    },
  },
  {
    // Seeds 356153 and 251889, whose client was closing then.
    wrong: "the run ended in the middle of a task that was still in its lane when all was quiet",
    plan: "quiet-too-early",
    reverse: {
      name: "quiet-once",
      breaks: "A run ends some seconds after nothing was known to be left, whatever has come since.",
      file: "sim/scenario.ts",
      find: "await this.#until(isOver);\n    // A cancel",
      replace: "// A cancel",
    },
  },
  {
    // Seed 705797.
    wrong: "the run ended while a client was still closing, which asked for nothing any more",
    plan: "still-closing",
    reverse: {
      name: "closing-is-quiet",
      breaks:
        "A run ends while a process is closing, before the next one in its place has asked for what it waits for.",
      file: "sim/scenario.ts",
      find: "if (this.#yard.isClosing) return false;",
      replace: "",
    },
  },
  {
    // Seed 834618.
    wrong:
      "a client's question was not asked again while the owner that had not read its submission stood still",
    plan: "kept-behind-a-pause",
    reverse: {
      name: "pauses-forgotten",
      breaks: "A frame that was given back counts as read though every process stood still.",
      file: "sim/faults.ts",
      find: "pauses.length === 0 ? 0 : healAt",
      replace: "0 * healAt * pauses.length",
    },
  },
  {
    // Seed 904147.
    wrong: "the effect of a run was not counted whose earlier one, of the same number, the engine had lost",
    plan: "two-runs-of-one-name",
    reverse: {
      name: "effects-of-strangers",
      breaks:
        "The checker counts no effect of a run whose name has ended, also where the engine has lost that one.",
      file: "testing/history-runs.ts",
      find: "if (runs === undefined) return;",
      replace: "if (runs === undefined || !this.#current.get(process)?.size) return;",
    },
  },
  {
    // Seed 304082.
    wrong: "the run was given up while a backlog was tried in turns, of which nothing ended for long",
    plan: "tried-in-turns",
    reverse: {
      name: "only-ends-are-progress",
      breaks: "A backlog of which each is tried before any is tried again counts as stuck.",
      file: "sim/scenario.ts",
      find: "if (used === this.#used) return true;",
      replace: "if (used >= 0) return true;",
    },
  },
];

export function fileOf(plan: string): string {
  return resolve(import.meta.dirname, `${plan}.json`);
}

export function textOf(plan: string): string {
  return readFileSync(fileOf(plan), "utf8");
}

function plantedBug(name: string): Mutant {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`There is no planted bug ${name}.`);
  return mutant;
}
