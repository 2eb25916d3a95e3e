import { setTimeout as pause } from "node:timers/promises";
import type { TaskHandle } from "../packages/yardmaster/src/client/handle.ts";
import { call, chord } from "../packages/yardmaster/src/client/plan.ts";
import type { SubmitOptions } from "../packages/yardmaster/src/client/submission.ts";
import type { TaskDefinition } from "../packages/yardmaster/src/definition.ts";
import { isCode, YardmasterError } from "../packages/yardmaster/src/protocol/errors.ts";
import type { TaskId, TerminalState } from "../packages/yardmaster/src/protocol/task.ts";
import type { Random } from "../packages/yardmaster/src/sim/random.ts";
import type { Yard } from "../packages/yardmaster/src/yard.ts";
import { clock, type Recorder } from "./recorder.ts";
import { ATTEMPTS, limited, once, sum, sumLabel, type Work, type Worked, work } from "./tasks.ts";
import type { Transactions } from "./transactions.ts";

/** How a client stands. */
export interface Tally {
  readonly underWay: number;
  /** Tasks whose handles wait for their end. */
  readonly awaited: readonly TaskId[];
  /** What no fault excuses. */
  readonly wrong: readonly string[];
}

/** Whole milliseconds at both ends of a delay. */
const SLACK_MS = 3;

/** Submits tasks of all kinds, follows each to its end, and writes down all that it learns. */
export class Submitter {
  readonly #yard: Yard;
  readonly #recorder: Recorder;
  readonly #name: string;
  readonly #random: Random;
  readonly #awaited = new Set<TaskId>();
  readonly #wrong: string[] = [];
  readonly #transactions: Transactions | null;
  readonly #choice: readonly [Life, ...Life[]];
  #last = 0;
  #underWay = 0;

  constructor(
    yard: Yard,
    recorder: Recorder,
    name: string,
    random: Random,
    transactions: Transactions | null,
  ) {
    this.#yard = yard;
    this.#recorder = recorder;
    this.#name = name;
    this.#random = random;
    this.#transactions = transactions;
    this.#choice = transactions === null ? LIVES : [...LIVES, "transactional", "transactional"];
  }

  get underWay(): number {
    return this.#underWay;
  }

  tally(): Tally {
    return { underWay: this.#underWay, awaited: [...this.#awaited], wrong: this.#wrong };
  }

  submitOne(): void {
    const life = this.#random.pick(this.#choice);
    void this.#track(() => this.#lives[life]());
  }

  /** Whether a plain task that was submitted now has succeeded. */
  probe(): Promise<boolean> {
    return this.#track(() => this.#play(work, this.#work("probe")));
  }

  readonly #lives: Readonly<Record<Life, () => Promise<void>>> = {
    plain: () => this.#play(work, this.#work("plain")),
    slow: () => this.#play(work, this.#work("slow", { runMs: this.#random.integer(300, 2_000) })),
    once: () => this.#play(once, this.#work("once", { runMs: this.#random.integer(0, 500) })),
    flaky: () => this.#play(work, this.#work("flaky", { failures: 2 })),
    failing: () => this.#play(work, this.#work("failing", { failures: ATTEMPTS }), { attempts: 3 }),
    limited: () => this.#play(limited, this.#work("limited", { runMs: 20 })),
    delayed: () => this.#play(work, this.#work("delayed"), { delayMs: this.#random.integer(200, 3_000) }),
    keyed: () => this.#keyed(),
    cancelled: () => this.#cancelled(),
    graph: () => this.#graph(),
    transactional: () => this.#transactional(),
  };

  /** The same submission again and again until it is acknowledged, and once more after it. */
  async #keyed(): Promise<void> {
    const input = this.#work("keyed");
    const again = (): Promise<TaskHandle<Worked>> =>
      this.#submit(work, input, { idempotencyKey: input.label });
    let first: TaskHandle<Worked> | null = null;
    while (first === null) {
      first = await again().catch(async (error: unknown) => {
        if (!(error instanceof YardmasterError && error.retryable)) throw error;
        await pause(100);
        return null;
      });
    }
    const follow = (handle: TaskHandle): Promise<void> => this.#follow(handle, input.label);
    await allEnded([follow(first), again().then(follow)]);
  }

  async #cancelled(): Promise<void> {
    const input = this.#work("cancelled", { runMs: 500 });
    const handle = await this.#submit(work, input, { delayMs: this.#random.integer(0, 1_000) });
    const ending = this.#follow(handle, input.label);
    // Told below; until then it may fail unheard.
    ending.catch(() => undefined);
    await pause(this.#random.integer(0, 1_500));
    const cancelling = handle
      .cancel("planned")
      .then(() => this.#recorder.write({ type: "cancelled", id: handle.id }));
    await allEnded([cancelling, ending]);
  }

  async #graph(): Promise<void> {
    const inputs = [1, 2, 3].map(() => this.#work("member"));
    const body = sumLabel(inputs[0]?.label ?? "");
    const labels = [...inputs.map(({ label }) => label), body];
    for (const label of labels) this.#announce(label, {});
    const graph = await this.#yard.submitGraph(
      chord(
        inputs.map((input) => call(work, input)),
        sum,
      ),
    );
    for (const [index, { id }] of graph.tasks.entries())
      this.#recorder.write({ type: "submitted", label: labels[index] ?? "", id });
    await allEnded(graph.tasks.map((task, index) => this.#follow(task, labels[index] ?? "")));
  }

  /**
   * Within a transaction of the client's own. Only what may commit is announced, so that a start of anything else
   * is one that nobody asked for; only what did commit is acknowledged.
   */
  async #transactional(): Promise<void> {
    const input = this.#work("transactional");
    const { label } = input;
    let handle: TaskHandle<Worked> | null = null;
    const end = await this.#transactions?.play(async (tx) => {
      handle = await this.#yard.submit(work, input, { tx });
      const commits = this.#random.chance(COMMITTED);
      if (commits) this.#announce(label, {});
      return commits;
    });
    if (end !== "committed" || handle === null) return;
    const { id }: TaskHandle<Worked> = handle;
    this.#recorder.write({ type: "submitted", label, id });
    await this.#follow(handle, label);
  }

  async #play(
    definition: TaskDefinition<Work, Worked>,
    input: Work,
    options: SubmitOptions = {},
  ): Promise<void> {
    await this.#follow(await this.#submit(definition, input, options), input.label);
  }

  #work(kind: string, { runMs = this.#random.integer(0, 20), failures = 0 }: Partial<Work> = {}): Work {
    this.#last += 1;
    return { label: `${kind} ${this.#name}/${this.#last}`, runMs, failures };
  }

  #announce(label: string, { attempts, delayMs = 0, idempotencyKey = "" }: SubmitOptions): void {
    const atMostOnce = label.startsWith("once");
    this.#recorder.write({
      type: "submitting",
      label,
      intent: {
        attempts: attempts ?? (atMostOnce ? 1 : ATTEMPTS),
        atMostOnce,
        mayGiveUp: false,
        key: idempotencyKey,
        dueAt: clock() + delayMs - SLACK_MS,
      },
    });
  }

  async #submit(
    definition: TaskDefinition<Work, Worked>,
    input: Work,
    options: SubmitOptions = {},
  ): Promise<TaskHandle<Worked>> {
    const { label } = input;
    this.#announce(label, options);
    try {
      const handle = await this.#yard.submit(definition, input, options);
      this.#recorder.write({ type: "submitted", label, id: handle.id });
      return handle;
    } catch (error) {
      // One with a key is tried again under the same label.
      const isCertain = isCode(error, "STORE_FULL") && options.idempotencyKey === undefined;
      this.#recorder.write({ type: "submitFailed", label, isCertain });
      throw error;
    }
  }

  async #follow(handle: TaskHandle, label: string): Promise<void> {
    const { id } = handle;
    this.#awaited.add(id);
    try {
      const end = await handle.settled();
      if (end.ok && JSON.stringify(end.value) !== JSON.stringify({ label }))
        this.#wrong.push(`${label} (${id}) gave ${JSON.stringify(end.value)}`);
      this.#recorder.write({ type: "settled", id, state: end.ok ? "succeeded" : stateOf(end.error) });
      this.#awaited.delete(id);
    } catch (error) {
      if (isCode(error, "CLOSED")) this.#awaited.delete(id);
      throw error;
    }
  }

  /** A failure to learn an outcome is the caller's business; a bug is not. */
  async #track(life: () => Promise<void>): Promise<boolean> {
    this.#underWay += 1;
    try {
      await life();
      return true;
    } catch (error) {
      const isExpected = error instanceof YardmasterError && EXPECTED.has(error.code);
      if (!isExpected) this.#wrong.push(String(error));
      return false;
    } finally {
      this.#underWay -= 1;
    }
  }
}

/** As `Promise.all`, but a failure leaves nothing under way: a cancel that nobody answers in time may hold yet. */
async function allEnded(parts: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(parts);
  await Promise.all(parts);
}

type Life =
  | "plain"
  | "slow"
  | "once"
  | "flaky"
  | "failing"
  | "limited"
  | "delayed"
  | "keyed"
  | "cancelled"
  | "graph"
  | "transactional";

/** So many transactions commit; the others are rolled back. */
const COMMITTED = 0.7;

/** As often as they are named. */
const LIVES: readonly [Life, ...Life[]] = [
  "plain",
  ...Array.from({ length: 7 }, () => "plain" as const),
  ...(["slow", "slow", "once", "flaky", "failing", "limited", "limited"] as const),
  ...(["delayed", "delayed", "keyed", "keyed", "cancelled", "graph"] as const),
];

const EXPECTED: ReadonlySet<string> = new Set([
  "BROKER_UNAVAILABLE",
  "STORE_UNAVAILABLE",
  "STORE_FULL",
  "CLOSED",
  "WAIT_TIMED_OUT",
]);

function stateOf({ code }: YardmasterError): TerminalState {
  if (code === "TASK_CANCELLED") return "cancelled";
  return code === "TASK_EXPIRED" ? "expired" : "failed";
}
