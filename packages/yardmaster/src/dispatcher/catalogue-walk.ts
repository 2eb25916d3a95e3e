import { type Host, pause } from "../host.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { LAST_ID } from "../protocol/ids.ts";
import type { TaskRecord } from "../protocol/task.ts";
import type { FindFilter, Store } from "../stores/store.ts";

/** So many records are read at a time: about a millisecond's work. */
const STEP = 200;
/** After a step the walk rests for as long as the step took, and no shorter than this. */
const LEAST_REST_MS = 1;
const RETRY_MS = 1_000;

/**
 * Tells a kernel that was asked for finished tasks which ones the store has, newest first, in steps so small and so far
 * apart that ticks do not notice.
 */
export class CatalogueWalk {
  private readonly store: Store;
  private readonly host: Host;
  private readonly kernel: Pick<Kernel, "shard" | "unwalked" | "catalogue">;
  private readonly isOver: () => boolean;
  private readonly fail: (error: unknown) => void;
  private isUnderWay = false;

  constructor(parts: {
    store: Store;
    host: Host;
    kernel: Pick<Kernel, "shard" | "unwalked" | "catalogue">;
    isOver: () => boolean;
    /** Is told of a fault in our own code. */
    fail: (error: unknown) => void;
  }) {
    this.store = parts.store;
    this.host = parts.host;
    this.kernel = parts.kernel;
    this.isOver = parts.isOver;
    this.fail = parts.fail;
  }

  /** Starts unless there is nothing to do. What ended before is committed by now, and what ends from now on is known anyway. */
  start(): void {
    if (this.isUnderWay || this.kernel.unwalked === null) return;
    this.isUnderWay = true;
    this.run()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.isUnderWay = false;
      });
  }

  private async run(): Promise<void> {
    for (;;) {
      const before = this.kernel.unwalked;
      if (before === null || this.isOver()) return;
      const startedAt = this.host.monotonic();
      const found = await this.look(before);
      if (found === "not now") return;
      if (found !== "later") this.kernel.catalogue(found.tasks, before, found.cursor);
      const tookMs = this.host.monotonic() - startedAt;
      await pause(this.host, found === "later" ? RETRY_MS : Math.max(LEAST_REST_MS, tookMs));
    }
  }

  /**
   * `not now` where the store has what this release cannot read, or refuses: then questions go to the store, as without
   * a catalogue, and the next one tries again.
   */
  private async look(
    before: string,
  ): Promise<{ tasks: readonly TaskRecord[]; cursor: string | null } | "later" | "not now"> {
    const filter: FindFilter = { shard: this.kernel.shard, limit: STEP, most: STEP };
    try {
      return await this.store.find(before === LAST_ID ? filter : { ...filter, cursor: before });
    } catch (error) {
      if (!(error instanceof YardmasterError)) throw error;
      return error.retryable ? "later" : "not now";
    }
  }
}
