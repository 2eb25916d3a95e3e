import type { Engine, Tick } from "../engine.ts";
import { isCode, messageOf } from "../protocol/errors.ts";

/** What a shard's fence refused of one dispatcher, over all its ownerships: a stale write leaves no other trace. */
export class FenceTally {
  refused = 0;

  /** Commits a tick; `onRefusal` is told why when the store has a later owner. */
  async commit(
    engine: Engine,
    tick: Tick,
    onRefusal: (message: string) => void,
  ): ReturnType<Engine["commit"]> {
    try {
      return await engine.commit(tick);
    } catch (error) {
      if (isCode(error, "FENCED")) {
        this.refused += 1;
        onRefusal(messageOf(error));
      }
      throw error;
    }
  }
}
