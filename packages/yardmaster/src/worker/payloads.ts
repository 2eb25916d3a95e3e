import { answeredWithin } from "../deadline.ts";
import type { Host } from "../host.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Store } from "../stores/store.ts";

const READ_TIMEOUT_MS = 30_000;
const MAX_BATCH = 100;

interface Waiter {
  readonly id: TaskId;
  readonly resolve: (payload: ByteString | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads large payloads from the store; what is asked for in one turn, or during a read, is one read. */
export class Payloads {
  readonly #store: Store;
  readonly #host: Host;
  readonly #waiters: Waiter[] = [];
  #isReading = false;

  constructor(store: Store, host: Host) {
    this.#store = store;
    this.#host = host;
  }

  /** Null when the store does not have it. Rejects with what the store throws. */
  read(id: TaskId): Promise<ByteString | null> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ id, resolve, reject });
      if (this.#isReading) return;
      this.#isReading = true;
      this.#host.defer(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters.splice(0, MAX_BATCH);
      try {
        const ids = [...new Set(waiters.map(({ id }) => id))];
        const { tasks } = await answeredWithin(
          this.#host,
          READ_TIMEOUT_MS,
          this.#store.read({ ids, bytes: true }),
        );
        for (const { id, resolve } of waiters) resolve(tasks.get(id)?.payload ?? null);
      } catch (error) {
        for (const { reject } of waiters) reject(error);
      }
    }
    this.#isReading = false;
  }
}
