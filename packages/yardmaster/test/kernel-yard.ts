import type { Effects, Outgoing } from "../src/kernel/effects.ts";
import { Kernel, type KernelOptions } from "../src/kernel/kernel.ts";
import type { LossCause } from "../src/kernel/rules.ts";
import type { Change, KeyRecord, StoredItem } from "../src/protocol/change.ts";
import { keyOf } from "../src/protocol/change.ts";
import type { Assign, Command, Envelope, Outcome } from "../src/protocol/envelope.ts";
import { InvariantError } from "../src/protocol/errors.ts";
import { decodeQueue, encodeQueue } from "../src/protocol/record.ts";
import {
  isTerminal,
  type Millis,
  type QueueRecord,
  type Submission,
  type TaskId,
  type TaskRecord,
  type TaskSpec,
} from "../src/protocol/task.ts";

export const CLIENT = "client:c";

const SPEC: TaskSpec = {
  name: "work",
  queue: "default",
  version: 1,
  attempts: 3,
  backoff: { type: "fixed", baseMs: 1_000, jitter: "none" },
  timeoutMs: 60_000,
  graceMs: 5_000,
  delivery: "at-least-once",
  keepResultMs: 1_000,
  keepFailureMs: 100_000_000,
};

export type Wish = Partial<Omit<Submission, "spec">> & { readonly spec?: Partial<TaskSpec> };

/** What the store would keep of a task. */
export interface Row {
  readonly task: TaskRecord;
  readonly payload: string;
  readonly parked: boolean;
  readonly result: string | null;
  readonly keepUntil: Millis;
}

/**
 * A kernel with a store and workers around it, as small as they can be. The store holds the kernel to the rules of
 * `Change`, the workers hold it to their credit and to frames without gaps.
 */
export class KernelYard {
  now: Millis = 1_000_000;
  epoch = 1;
  kernel: Kernel;
  readonly options: Partial<KernelOptions>;
  readonly rows: Map<TaskId, Row> = new Map();
  readonly keys: Map<string, KeyRecord> = new Map();
  readonly tombstones: Map<TaskId, Millis> = new Map();
  readonly queues: Map<string, QueueRecord> = new Map();
  readonly side: Map<string, Extract<StoredItem, { type: "row" }>> = new Map();
  readonly workers: Map<string, TestWorker> = new Map();
  /** Everything that was sent to each mailbox. */
  readonly mail: Map<string, Envelope[]> = new Map();
  sweeps = 0;
  #ids = 0;
  #requests = 0;
  readonly #specs = new Map<string, TaskSpec>();

  constructor(options: Partial<KernelOptions> = {}) {
    this.options = options;
    this.kernel = this.#open();
    this.kernel.restored(this.now);
  }

  /** Hands over what the wish says; everything else is a plain task. Answers the id. */
  submit({ spec: specWish = {}, ...wish }: Wish = {}): TaskId {
    const id = wish.id ?? `t${String(++this.#ids).padStart(6, "0")}`;
    const text = JSON.stringify({ ...SPEC, ...specWish });
    const spec = this.#specs.get(text) ?? { ...SPEC, ...specWish };
    this.#specs.set(text, spec);
    const plain = {
      priority: 0,
      runAt: 0,
      delayMs: 0,
      expiresInMs: 0,
      key: null,
      retryOf: "",
      replyTo: CLIENT,
      copy: false,
      terms: null,
    };
    const submission: Submission = { ...plain, payload: `"${id}"`, ...wish, id, spec };
    const keyed =
      submission.key === null ? null : (this.keys.get(keyOf(spec.name, submission.key.key)) ?? null);
    const first = keyed === null ? null : (this.stored(keyed.id) ?? null);
    const known = this.#known(submission.links?.after ?? []);
    this.kernel.apply(
      { type: "submitted", submission, stored: this.stored(id), keyed, first, known },
      this.now,
    );
    return id;
  }

  /** What the shell would find for what a task waits for. */
  #known(ids: readonly TaskId[]): Map<TaskId, Row> {
    const known = new Map<TaskId, Row>();
    for (const id of ids) {
      const row = this.kernel.has(id) ? undefined : this.rows.get(id);
      if (row === undefined) continue;
      known.set(id, row);
      const first = this.rows.get(row.task.aliasOf);
      if (first !== undefined) known.set(first.task.id, first);
    }
    return known;
  }

  /** What the shell would find for an id that is not in memory. */
  stored(id: TaskId): TaskRecord | null {
    return this.kernel.has(id) ? null : (this.rows.get(id)?.task ?? null);
  }

  cancel(id: TaskId, request = 1): void {
    const alias = this.rows.get(id)?.task.aliasOf ?? "";
    const target = alias !== "" && !this.kernel.has(alias) ? alias : id;
    this.kernel.apply(
      {
        type: "cancelRequested",
        id: target,
        reason: "",
        request,
        replyTo: CLIENT,
        stored: this.stored(target),
      },
      this.now,
    );
  }

  order(command: Command): void {
    this.kernel.apply({ type: "commanded", command, request: ++this.#requests, replyTo: CLIENT }, this.now);
  }

  watch(id: TaskId, replyTo: string): void {
    this.kernel.apply({ type: "watchRequested", id, replyTo, stored: this.stored(id) }, this.now);
  }

  worker(id: string, wish: WorkerWish = {}): TestWorker {
    const worker = new TestWorker(this, id, wish);
    this.workers.set(id, worker);
    worker.register();
    return worker;
  }

  /** Lets time pass, then takes the effects: the store commits them and the workers receive theirs. */
  tick(passMs: Millis = 0): Effects {
    this.now += passMs;
    const effects = this.kernel.effects(this.now);
    this.#commit(effects.changes);
    for (const outgoing of effects.outgoing) this.#deliver(outgoing);
    return effects;
  }

  /** Answers what the kernel wants to have back from the store. */
  page(wanted: number): void {
    const parked = [...this.rows.values()].filter((row) => row.parked && !isTerminal(row.task.state));
    parked.sort(
      (a, b) =>
        a.task.runAt - b.task.runAt || b.task.priority - a.task.priority || (a.task.id < b.task.id ? -1 : 1),
    );
    this.kernel.page(parked.slice(0, wanted), this.now);
  }

  /** Another dispatcher takes the shard over. What was not committed is gone. */
  takeover(): void {
    this.epoch++;
    this.kernel = this.#open();
    for (const queue of this.queues.values()) this.kernel.restore({ type: "queue", queue }, this.now);
    for (const row of this.side.values()) this.kernel.restore(row, this.now);
    let parked = 0;
    for (const row of this.rows.values()) {
      if (row.parked) parked++;
      else if (row.keepUntil === 0) this.kernel.restore({ type: "task", ...row }, this.now);
    }
    for (const [id, keepUntil] of this.tombstones)
      this.kernel.restore({ type: "tombstone", id, keepUntil }, this.now);
    if (parked > 0) this.kernel.restore({ type: "parked", count: parked }, this.now);
    this.kernel.restored(this.now);
  }

  record(id: TaskId): TaskRecord {
    const row = this.rows.get(id);
    if (row === undefined) throw new InvariantError(`The store does not know task ${id}.`);
    return row.task;
  }

  /** The state as anybody would see it: memory's where the task is in memory. */
  state(id: TaskId): string {
    const live = this.kernel.answer({ type: "status", id }, this.now);
    return live !== null && "state" in live ? live.state : this.record(id).state;
  }

  /** What a mailbox received of one type, all since the beginning. */
  mailOf<T extends Envelope["type"]>(mailbox: string, type: T): Extract<Envelope, { type: T }>[] {
    const isOfType = (envelope: Envelope): envelope is Extract<Envelope, { type: T }> =>
      envelope.type === type;
    return (this.mail.get(mailbox) ?? []).filter(isOfType);
  }

  #open(): Kernel {
    return new Kernel({ shard: 0, seed: 7, validate: true, ...this.options, epoch: this.epoch });
  }

  #commit(changes: readonly Change[]): void {
    const written = new Set<TaskId>();
    for (const change of changes) {
      if (change.type === "sweep") this.sweeps++;
      else if (change.type === "key") this.keys.set(keyOf(change.key.name, change.key.key), change.key);
      else if (change.type === "queue") this.#commitQueue(change.queue);
      else if (change.type === "row") this.#commitRow(change);
      else {
        const id = change.type === "tombstone" ? change.id : change.task.id;
        if (written.has(id)) throw new InvariantError(`Two changes of ${id} in one tick.`);
        written.add(id);
        if (change.type === "tombstone") this.tombstones.set(id, change.keepUntil);
        else this.#commitTask(change);
      }
    }
  }

  /** As stores keep it. */
  #commitQueue(queue: QueueRecord): void {
    this.queues.set(queue.name, decodeQueue(encodeQueue(queue)));
  }

  #commitRow({ kind, key, value }: Extract<Change, { type: "row" }>): void {
    const place = `${kind}\n${key}`;
    if (value === null) this.side.delete(place);
    else this.side.set(place, { type: "row", kind, key, value });
  }

  #commitTask(change: Extract<Change, { type: "insert" | "update" | "finish" | "adopt" }>): void {
    const { task } = change;
    const known = this.rows.get(task.id);
    const isNew = change.type === "insert" || change.type === "adopt";
    if (isNew !== (known === undefined))
      throw new InvariantError(`${change.type} of ${task.id}, which is ${isNew ? "known" : "unknown"}.`);
    if (change.type === "adopt" && !this.tombstones.delete(task.id))
      throw new InvariantError(`No tombstone of ${task.id}.`);
    if (known !== undefined && isTerminal(known.task.state))
      throw new InvariantError(`${task.id} has ended already.`);
    const keepUntil = change.type === "update" ? 0 : change.keepUntil;
    if (task.aliasOf === "" && keepUntil > 0 !== isTerminal(task.state))
      throw new InvariantError(`${task.id} is kept wrongly.`);
    this.rows.set(task.id, {
      task,
      payload: isNew ? change.payload : (known?.payload ?? ""),
      parked: "parked" in change && change.parked,
      result: "result" in change ? change.result : null,
      keepUntil,
    });
  }

  #deliver(outgoing: Outgoing): void {
    const box = this.mail.get(outgoing.mailbox) ?? [];
    this.mail.set(outgoing.mailbox, box);
    box.push(...outgoing.envelopes);
    if (outgoing.mailbox.startsWith("worker:"))
      this.workers.get(outgoing.mailbox.slice("worker:".length))?.receive(outgoing);
    else if (outgoing.sequence !== 0) throw new InvariantError("A frame to a client is numbered.");
  }
}

export interface WorkerWish {
  readonly credit?: number;
  readonly tasks?: readonly string[];
  readonly queues?: readonly QueueRecord[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly resources?: Readonly<Record<string, number>>;
}

interface HeldTask {
  readonly assign: Assign;
  readonly epoch: number;
  running: boolean;
}

/** A worker that does what it is told, and what the test tells it. */
export class TestWorker {
  readonly id: string;
  readonly mailbox: string;
  readonly tasks: readonly { readonly name: string; readonly version: number }[];
  readonly #queues: readonly QueueRecord[];
  readonly #yard: KernelYard;
  credit: number;
  /** What it says of itself when it registers next. */
  labels: Readonly<Record<string, string>>;
  resources: Readonly<Record<string, number>>;
  /** The next frame does not arrive. */
  losesFrame = false;
  /** Aborts are answered at once; a stubborn worker goes on. */
  isStubborn = false;
  held: HeldTask[] = [];
  #epoch = 0;
  #seen = 0;
  #heartbeats = 0;

  constructor(yard: KernelYard, id: string, wish: WorkerWish) {
    const { credit = 1, tasks = ["work"], queues = [], labels = {}, resources = {} } = wish;
    this.#yard = yard;
    this.id = id;
    this.mailbox = `worker:${id}`;
    this.credit = credit;
    this.tasks = tasks.map((name) => ({ name, version: 1 }));
    this.#queues = queues;
    this.labels = labels;
    this.resources = resources;
  }

  register(): void {
    const { id: worker, mailbox, credit, tasks, labels, resources } = this;
    this.#yard.kernel.apply(
      {
        type: "workerRegistered",
        register: {
          type: "register",
          worker,
          mailbox,
          credit,
          tasks,
          queues: this.#queues,
          labels,
          resources,
        },
      },
      this.#yard.now,
    );
  }

  receive({ sequence, envelopes }: Outgoing): void {
    const { epoch } = this.#yard;
    if (epoch > this.#epoch) this.#seen = 0;
    this.#epoch = epoch;
    if (sequence !== this.#seen + 1)
      throw new InvariantError(`Frame ${sequence} follows ${this.#seen} at worker ${this.id}.`);
    this.#seen = sequence;
    if (this.losesFrame) {
      this.losesFrame = false;
      this.reportHeld();
      return;
    }
    for (const envelope of envelopes) this.#take(envelope);
  }

  #take(envelope: Envelope): void {
    if (envelope.type === "assign") {
      this.held.push({ assign: envelope, epoch: this.#epoch, running: false });
      if (this.held.length > this.credit)
        throw new InvariantError(`Worker ${this.id} has more than its credit.`);
    } else if (envelope.type === "abort" && !this.isStubborn) {
      const index = this.held.findIndex(
        ({ assign, epoch }) =>
          assign.id === envelope.id && assign.attempt === envelope.attempt && epoch === envelope.epoch,
      );
      if (index !== -1) this.finish("cancelled", {}, index);
    } else if (envelope.type === "takeover" || (envelope.type === "heartbeatAnswer" && !envelope.known)) {
      this.register();
      this.reportHeld();
    }
  }

  /** Ends an attempt; the oldest unless said otherwise. */
  finish(kind: Outcome["kind"] = "succeeded", outcome: Partial<Outcome> = {}, index = 0): Outcome {
    const [held] = this.held.splice(index, 1);
    if (held === undefined) throw new InvariantError(`Worker ${this.id} holds nothing at ${index}.`);
    const { id, attempt } = held.assign;
    const plain = { delayMs: 0, result: kind === "succeeded" ? '"done"' : "", error: null, startedAt: 0 };
    const full: Outcome = { type: "outcome", id, epoch: held.epoch, attempt, kind, ...plain, ...outcome };
    this.report(full);
    return full;
  }

  report(outcome: Outcome): void {
    this.#yard.kernel.apply({ type: "outcomeReported", outcome, worker: this.id }, this.#yard.now);
  }

  start(index = 0): void {
    const held = this.held[index];
    if (held === undefined) throw new InvariantError(`Worker ${this.id} holds nothing at ${index}.`);
    held.running = true;
    const { id, attempt } = held.assign;
    const { now, kernel } = this.#yard;
    kernel.apply(
      { type: "noted", note: { id, attempt, startedAt: now, progress: null, logs: [] }, worker: this.id },
      now,
    );
  }

  beat(): void {
    const heartbeat = {
      type: "heartbeat",
      worker: this.id,
      number: ++this.#heartbeats,
      credit: this.credit,
      stalledMs: 0,
    } as const;
    this.#yard.kernel.apply({ type: "heartbeatReceived", heartbeat, from: this.mailbox }, this.#yard.now);
  }

  reportHeld(): void {
    const attempts = this.held.map(({ assign, epoch, running }) => ({
      id: assign.id,
      epoch,
      attempt: assign.attempt,
      state: running ? ("running" as const) : ("waiting" as const),
    }));
    this.#yard.kernel.apply(
      {
        type: "attemptsHeld",
        held: { type: "held", worker: this.id, epoch: this.#epoch, seen: this.#seen, attempts },
      },
      this.#yard.now,
    );
  }

  /** Its process is gone, with all that it held. */
  die(cause: LossCause = "died"): void {
    this.held = [];
    this.#yard.workers.delete(this.id);
    this.#yard.kernel.apply({ type: "workerLost", worker: this.id, cause }, this.#yard.now);
  }

  leave(): void {
    while (this.held.length > 0) this.finish("returned");
    this.#yard.workers.delete(this.id);
    this.#yard.kernel.apply({ type: "workerLeft", worker: this.id }, this.#yard.now);
  }
}
