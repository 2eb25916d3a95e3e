import { answeredWithin } from "../deadline.ts";
import type { Host } from "../host.ts";
import type { ByteString } from "../protocol/bytes.ts";
import type { StoredTask } from "../protocol/change.ts";
import { isCode } from "../protocol/errors.ts";
import { MAX_BYTES, type TaskId } from "../protocol/task.ts";
import type { Vault } from "../security/vault.ts";
import type { Store } from "../stores/store.ts";
import { inputOf } from "./fed-input.ts";

const READ_TIMEOUT_MS = 30_000;
const MAX_BATCH = 100;

interface Waiter {
  readonly id: TaskId;
  readonly resolve: (payload: ByteString | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads from the store what did not travel: large payloads, and results that are the input of others; what is asked for in one turn, or during a read, is one read. */
export class Payloads {
  readonly #store: Store;
  readonly #host: Host;
  readonly #vault: Vault | undefined;
  readonly #waiters: Waiter[] = [];
  #isReading = false;

  constructor(store: Store, host: Host, vault: Vault | undefined) {
    this.#store = store;
    this.#host = host;
    this.#vault = vault;
  }

  /** What travelled with an assignment, as its client wrote it. Throws PAYLOAD_UNREADABLE. */
  open(payload: ByteString, id: TaskId, name: string): ByteString {
    return this.#vault?.openPayload(payload, id, name) ?? payload;
  }

  /** Null when the store does not have it. Rejects with what the store throws, and with PAYLOAD_UNREADABLE. */
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
        for (const { id, resolve, reject } of waiters)
          await this.#payloadOf(tasks.get(id)).then(resolve, (error: unknown) => {
            if (!isCode(error, "PAYLOAD_UNREADABLE")) throw error;
            // One that cannot be read says nothing about the others.
            reject(error);
          });
      } catch (error) {
        for (const { reject } of waiters) reject(error);
      }
    }
    this.#isReading = false;
  }

  async #payloadOf(stored: StoredTask | undefined): Promise<ByteString | null> {
    const { payload = null, task } = stored ?? {};
    if (payload === null || task === undefined) return payload;
    const own = this.open(payload, task.id, task.spec.name);
    if (task.links?.fed !== true) return own;
    const results: ByteString[] = [];
    let bytes = 0;
    const { after } = task.links;
    for (let start = 0; start < after.length; start += MAX_BATCH) {
      const ids = after.slice(start, start + MAX_BATCH);
      const read = this.#store.read({ ids, bytes: true });
      const { tasks } = await answeredWithin(this.#host, READ_TIMEOUT_MS, read);
      for (const id of ids) {
        const one = tasks.get(id);
        // Its record is kept no longer: nobody can say any more what the input is.
        if (one === undefined) return null;
        results.push(one.result === null ? "" : this.#opened(id, one.result));
        bytes += one.result?.length ?? 0;
      }
      if (bytes > MAX_BYTES) return null;
    }
    return inputOf(own, results);
  }

  #opened(id: TaskId, result: ByteString): ByteString {
    return this.#vault?.open(result, { part: "result", id }) ?? result;
  }
}
