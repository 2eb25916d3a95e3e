import type { Cancel, Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Batch, Call, Handler } from "./handlers.ts";

const NO_CONTACT_LOOK_MS = 100;

interface Waiting {
  readonly call: Call<unknown>;
  readonly resolve: (end: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** The worker that a batch is gathered in. */
export interface Gathering {
  /** How many calls there can be at once now. */
  readonly slots: () => number;
  /** Whether a dispatcher still counts on a call now. */
  readonly mayStart: (call: Call<unknown>) => boolean;
  /** The handler is going to be called with it. */
  readonly starts: (call: Call<unknown>) => void;
}

/** Gathers the attempts of one definition for calls of a handler that takes several. */
export class Batcher {
  /** As any other handler: an attempt's call ends with its part of the batch. */
  readonly handler: Handler;
  readonly #batch: Batch;
  readonly #host: Host;
  readonly #worker: Gathering;
  #waiting: Waiting[] = [];
  #stopTimer: Cancel = () => undefined;

  constructor(handler: Handler, batch: Batch, host: Host, worker: Gathering) {
    this.#batch = batch;
    this.#host = host;
    this.#worker = worker;
    this.handler = { ...handler, run: batch.around((call) => this.#add(call)) };
  }

  #add(call: Call<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject });
      // More than there are slots cannot come together: waiting for them would be in vain.
      if (this.#waiting.length >= Math.min(this.#batch.size, this.#worker.slots())) void this.#flush();
      else if (this.#waiting.length === 1)
        this.#stopTimer = this.#host.after(this.#batch.withinMs, () => void this.#flush());
    });
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    this.#stopTimer();
    const gathered = this.#waiting.filter(({ call }) => call.signal.aborted || this.#worker.mayStart(call));
    this.#waiting = this.#waiting.filter((one) => !gathered.includes(one));
    // A process that stood still may have been taken for dead meanwhile: its dispatcher is asked first.
    if (this.#waiting.length > 0)
      this.#stopTimer = this.#host.after(NO_CONTACT_LOOK_MS, () => void this.#flush());
    const wanted = gathered.filter(({ call }) => !call.signal.aborted);
    for (const { call, reject } of gathered) if (call.signal.aborted) reject(call.signal.reason);
    if (wanted.length === 0) return;
    for (const { call } of wanted) this.#worker.starts(call);
    try {
      settle(wanted, await this.#batch.run(wanted.map(({ call }) => call)));
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  }
}

function settle(wanted: readonly Waiting[], ends: unknown): void {
  if (!Array.isArray(ends) || ends.length !== wanted.length) {
    const given = Array.isArray(ends) ? `${ends.length} ends` : typeof ends;
    throw new YardmasterError(
      "RESULT_INVALID",
      `A handler of a batch must answer with one end for each of its ${wanted.length} tasks, not ${given}.`,
    );
  }
  for (const [index, { resolve, reject }] of wanted.entries()) {
    const end: unknown = ends[index];
    if (end instanceof Error) reject(end);
    else resolve(end);
  }
}
