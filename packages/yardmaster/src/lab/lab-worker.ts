import type {
  Assign,
  Heartbeat,
  Held,
  HeldAttempt,
  Note,
  Outcome,
  Register,
  ToWorker,
} from "../protocol/envelope.ts";
import type { TaskSpec } from "../protocol/task.ts";
import type { Arrival } from "./arrivals.ts";
import type { Chance } from "./chance.ts";
import type { WorkerPlan } from "./scenario.ts";

export type Abort = Extract<ToWorker, { type: "abort" }>;

/** What can happen in a laboratory. */
export type Happening =
  | { readonly type: "arrives"; readonly arrival: Arrival }
  | { readonly type: "ends"; readonly worker: LabWorker; readonly assign: Assign }
  | { readonly type: "boots"; readonly place: Place }
  | { readonly type: "dies"; readonly worker: LabWorker }
  | { readonly type: "beats"; readonly worker: LabWorker; readonly everyMs: number }
  /** Falls silent, and is heard again. */
  | { readonly type: "hushes"; readonly worker: LabWorker }
  | { readonly type: "speaks"; readonly worker: LabWorker }
  | Message;

/** What is on the way between a worker and the dispatcher. */
export type Message =
  | ToLabWorker
  | { readonly type: "noted"; readonly worker: LabWorker; readonly note: Note }
  | { readonly type: "reported"; readonly worker: LabWorker; readonly outcome: Outcome }
  | { readonly type: "heartbeat"; readonly worker: LabWorker; readonly heartbeat: Heartbeat }
  /** It registers again, with all that it holds. */
  | { readonly type: "returns"; readonly worker: LabWorker; readonly held: Held };

export type ToLabWorker =
  | { readonly type: "assigned"; readonly worker: LabWorker; readonly assign: Assign }
  | { readonly type: "aborted"; readonly worker: LabWorker; readonly abort: Abort }
  /** The dispatcher does not know the worker that it has heard. */
  | { readonly type: "forgotten"; readonly worker: LabWorker };

/** What a worker has to say of its attempts. */
export type Untold =
  | { readonly type: "noted"; readonly worker: LabWorker; readonly note: Note }
  | {
      readonly type: "ended";
      readonly worker: LabWorker;
      readonly assign: Assign;
      readonly startedAt: number;
      readonly endedAt: number;
    };

/** Where one worker follows another; how long each lives and is heard is a matter of the place alone, whatever the policy. */
export interface Place {
  readonly plan: WorkerPlan;
  readonly lives: Chance;
  readonly silences: Chance;
}

interface Running {
  readonly assign: Assign;
  readonly startedAt: number;
}

/** A modelled worker process. */
export class LabWorker {
  readonly id: string;
  readonly mailbox: string;
  readonly place: Place;
  alive = true;
  isSilent = false;
  /** By their tasks. */
  readonly running: Map<string, Running> = new Map();
  /** What it was given and has no thread for. */
  readonly waiting: Assign[] = [];
  /** The affinity keys that it has served last, the latest at the end. */
  readonly warm: Set<number> = new Set();
  /** What it could not say, and what did not reach it, since it fell silent. */
  readonly untold: Untold[] = [];
  readonly unheard: ToLabWorker[] = [];
  #heartbeats = 0;
  /** When the last message to it arrives, and the last one from it. */
  #inAt = 0;
  #outAt = 0;

  constructor(id: string, place: Place) {
    this.id = id;
    this.mailbox = `worker:${id}`;
    this.place = place;
  }

  nextHeartbeat(): Heartbeat {
    const { slots: credit } = this.place.plan;
    return { type: "heartbeat", worker: this.id, number: ++this.#heartbeats, credit, stalledMs: 0 };
  }

  /** When a message arrives that would at `at`: a mailbox keeps the order. */
  inOrder({ type }: Message, at: number): number {
    if (type === "assigned" || type === "aborted" || type === "forgotten") {
      this.#inAt = Math.max(this.#inAt, at);
      return this.#inAt;
    }
    this.#outAt = Math.max(this.#outAt, at);
    return this.#outAt;
  }
}

export function registerOf({ id, mailbox, place }: LabWorker, specs: readonly TaskSpec[]): Register {
  const { slots: credit, labels, resources, handles } = place.plan;
  const tasks = specs
    .map(({ name, version }) => ({ name, version }))
    .filter(({ name, version }) => handles?.includes(`${name}@${version}`) ?? true);
  return { type: "register", worker: id, mailbox, credit, tasks, queues: [], labels, resources };
}

/** Its inventory. It says of no frame that it has seen it: what is on the way to it is not missing. */
export function heldBy({ id, running, waiting }: LabWorker, epoch: number): Held {
  const inState = ({ id: task, attempt }: Assign, state: HeldAttempt["state"]): HeldAttempt => ({
    id: task,
    epoch,
    attempt,
    state,
  });
  const attempts = [
    ...Array.from(running.values(), ({ assign }) => inState(assign, "running")),
    ...waiting.map((assign) => inState(assign, "waiting")),
  ];
  return { type: "held", worker: id, epoch, seen: 0, attempts };
}
