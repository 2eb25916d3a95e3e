/** A bug that is planted into a copy of the product's source, to see whether the simulation finds it. */
export interface Mutant {
  readonly name: string;
  /** What is wrong then, in a sentence. */
  readonly breaks: string;
  /** Below `packages/yardmaster/src`. */
  readonly file: string;
  /** Is there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** Every one of them breaks a promise, and must be found. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "attempts-one-more",
    breaks: "A task gets one attempt more than it may have.",
    file: "kernel/rules.ts",
    find: "task.attempt >= task.kind.spec.attempts",
    replace: "task.attempt > task.kind.spec.attempts",
  },
  {
    name: "attempts-one-less",
    breaks: "A task fails with an attempt left.",
    file: "kernel/rules.ts",
    find: "task.attempt >= task.kind.spec.attempts",
    replace: "task.attempt + 1 >= task.kind.spec.attempts",
  },
  {
    name: "once-means-often",
    breaks: "A lost at-most-once task is tried again.",
    file: "kernel/rules.ts",
    find: 'task.kind.spec.delivery === "at-most-once" || ',
    replace: "",
  },
  {
    name: "stale-attempt-accepted",
    breaks: "The report of an attempt that was given up ends the current one.",
    file: "kernel/fleet.ts",
    find: "last !== null && last.worker === worker && last.number === token.attempt && last.epoch === token.epoch",
    replace: "last !== null && last.worker === worker",
  },
  {
    name: "epoch-unchecked",
    breaks: "The fence lets an earlier owner write.",
    file: "memory/leases.ts",
    find: "fence.owner === owner && fence.epoch === epoch ? fence : null",
    replace: "true ? fence : null",
  },
  {
    name: "epoch-reused",
    breaks: "Two ownerships have the same epoch.",
    file: "memory/leases.ts",
    find: "const epoch = (fence?.epoch ?? 0) + 1;",
    replace: "const epoch = fence?.epoch ?? 1;",
  },
  {
    name: "sequence-unchecked",
    breaks: "The fence applies a commit twice, or out of its order.",
    file: "memory/leases.ts",
    find: "if (fence.sequence === sequence) return false;",
    replace: "if (sequence > 0) return true;",
  },
  {
    name: "delay-ignored",
    breaks: "A task starts before its time.",
    file: "kernel/rules.ts",
    find: 'task.state = runAt > now ? "scheduled" : "ready";',
    replace: 'task.state = "ready";',
  },
  {
    name: "cancel-ignored",
    breaks: "A success counts after the cancel was recorded.",
    file: "kernel/rules.ts",
    find: "learn(task, outcome, now);\n    if (isCancelRequested(task)) endCancelled(shard, task, now);\n    else finish",
    replace: "learn(task, outcome, now);\n    finish",
  },
  {
    name: "cancel-overtaken",
    breaks: "The late success of an earlier attempt counts after the cancel was recorded.",
    file: "kernel/rules.ts",
    find: "if (isCancelRequested(task)) return;",
    replace: "",
  },
  {
    name: "cancel-confirmed-early",
    breaks: "A cancel is confirmed while the task may still start.",
    file: "kernel/intake.ts",
    find: "const { request, replyTo } = waiter;\n  const details = detailsOf(task);",
    replace:
      'tellCancelDone(shard, waiter, "cancelled");\n  const { request, replyTo } = waiter;\n  const details = detailsOf(task);',
  },
  {
    name: "early-cancel-forgotten",
    breaks: "A task that was cancelled before its submission came runs.",
    file: "kernel/intake.ts",
    find: "else if (shard.tombstones.has(submission.id)) adopt(shard, submission, now);",
    replace: "",
  },
  {
    name: "end-overwritten",
    breaks: "A cancel changes how a stored task has ended.",
    file: "kernel/intake.ts",
    find: "if (isTerminal(stored.state)) {",
    replace: "if (stored.spec === undefined) {",
  },
  {
    name: "key-ignored",
    breaks: "The same idempotency key makes two tasks.",
    file: "kernel/intake.ts",
    find: "const keyed = usedKey(shard, event, now);",
    replace: "const keyed = null;",
  },
  {
    name: "key-of-this-tick-ignored",
    breaks: "Two submissions of one tick with the same idempotency key make two tasks.",
    file: "kernel/intake.ts",
    find: "shard.journal.recentKey(spec.name, key.key) ?? event.keyed",
    replace: "event.keyed",
  },
  {
    name: "alias-forgotten",
    breaks: "A duplicate is recorded as a task of its own.",
    file: "kernel/intake.ts",
    find: "aliasOf: keyed.id,",
    replace: "",
  },
  {
    name: "redelivery-believed",
    breaks: "A submission that was delivered before is taken for a new one.",
    file: "dispatcher/intake.ts",
    find: "(redelivered || submission.copy) && ",
    replace: "false && ",
  },
  {
    name: "ack-before-commit",
    breaks: "Frames are acknowledged before what they said is in the store.",
    file: "dispatcher/shard-owner.ts",
    find: "const tick = { lease: this.lease,",
    replace: "await this.engine.broker.send([], acks);\n    const tick = { lease: this.lease,",
  },
  {
    name: "send-before-commit",
    breaks: "Assignments leave before they are in the store.",
    file: "dispatcher/shard-owner.ts",
    find: "const tick = { lease: this.lease,",
    replace: "await this.engine.broker.send(sends);\n    const tick = { lease: this.lease,",
  },
  {
    name: "assignment-unrecorded",
    breaks: "An assignment is sent and not recorded.",
    file: "kernel/rules.ts",
    find: 'task.state = "assigned";\n    shard.journal.changed(task);',
    replace: 'task.state = "assigned";',
  },
  {
    name: "unknown-told-early",
    breaks: "A task whose submission waits in the lane is said to be unknown.",
    file: "dispatcher/shard-owner.ts",
    find: 'if (envelope.type === "watch" && epoch === 0 &&',
    replace: 'if (envelope.type === "watch" && epoch < 0 &&',
  },
  {
    name: "holders-not-loaded",
    breaks: "A new owner gives out what a worker has in its hands.",
    file: "kernel/takeover.ts",
    find: 'if (record.state === "assigned" || record.state === "running") {',
    replace: 'if (record.state === "running") {',
  },
  {
    name: "parked-forgotten",
    breaks: "Tasks that were parked never come back.",
    file: "kernel/parking.ts",
    find: "this.#wanted = this.total > 0 && hasRoom ?",
    replace: "this.#wanted = this.total < 0 && hasRoom ?",
  },
  {
    name: "ghost-takes-no-slot",
    breaks: "An attempt that was given up and runs on takes no credit.",
    file: "kernel/attempts.ts",
    find: "worker.ghosts.set(token, attempt.frame);",
    replace: "",
  },
  {
    name: "credit-leaks",
    breaks: "The credit of an attempt that was given up never comes back.",
    file: "kernel/attempts.ts",
    find: "if (worker.ghosts.delete(token)) loadChanged(shard, worker);",
    replace: "",
  },
  {
    name: "lost-task-forgotten",
    breaks: "The task of a lost worker is not given to another.",
    file: "kernel/rules.ts",
    find: "runAt: now, error });\n      backToLine(shard, task, now);",
    replace: "runAt: now, error });",
  },
  {
    name: "return-costs-an-attempt",
    breaks: "An attempt that was handed back before it began counts.",
    file: "kernel/rules.ts",
    find: 'task.attempt -= worker === "" && task.last?.skipped === true ? 2 : 1;',
    replace: "",
  },
  {
    name: "number-reused",
    breaks: "An attempt has the number of one that its worker has handed back.",
    file: "kernel/attempts.ts",
    find: 'const skipped = returnedBy !== "" && (returnedBy === "*" || returnedBy === worker.id);',
    replace: "const skipped = false;",
  },
  {
    name: "assignment-on-its-way-given-up",
    breaks: "What a worker has not seen yet is given to another at once.",
    file: "kernel/fleet.ts",
    find: "attempt.restored || attempt.frame <= held.seen",
    replace: "attempt.frame >= 0",
  },
  {
    name: "lost-assignment-unnoticed",
    breaks: "A task whose assignment was lost waits for its worker for ever.",
    file: "kernel/fleet.ts",
    find: "attempt.restored || attempt.frame <= held.seen",
    replace: "attempt.frame < 0",
  },
  {
    name: "outcome-forgotten",
    breaks: "A worker sends an outcome once, and not until it is answered.",
    file: "worker/shard-link.ts",
    find: "this.#batches.set(batch.sequence, batch);",
    replace: "",
  },
  {
    name: "earlier-owner-obeyed",
    breaks: "A worker starts what an earlier owner gave it before the present one has answered.",
    file: "worker/shard-link.ts",
    find: "return this.#isReconciled || attempt.epoch === this.epoch;",
    replace: "return true;",
  },
  {
    name: "lower-epoch-obeyed",
    breaks: "A worker takes frames of an owner that was replaced.",
    file: "worker/intake.ts",
    find: "if (link === undefined || frame.epoch < link.epoch) return;",
    replace: "if (link === undefined) return;",
  },
  {
    name: "stranger-starts",
    breaks: "A worker that its dispatcher does not know starts tasks.",
    file: "worker/intake.ts",
    find: "if (answer.known) runner.contact(shard, answer.number);\n    else this.#resync(link);",
    replace: "runner.contact(shard, answer.number);\n    if (!answer.known) this.#resync(link);",
  },
  {
    name: "submission-confirmed-unsent",
    breaks: "A submission is acknowledged before the broker has it.",
    file: "client/submit-lane.ts",
    find: "const outcomes = await broker.send(sends, acks);",
    replace:
      "for (const { batch } of parcels) batch.confirm();\n    const outcomes = await broker.send(sends, acks);",
  },
];
