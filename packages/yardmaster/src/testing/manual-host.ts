import { type Cancel, type Host, systemHost } from "../host.ts";

/** A host whose time stands still until it is told to go on. Deferred work runs in real turns of the event loop. */
export interface ManualHost extends Host {
  /** Moves time forward by `ms`, running every timer on the way at its time and everything that follows from it. */
  advance(ms: number): Promise<void>;
  /** Resolves once nothing is left to do at the present time. */
  settle(): Promise<void>;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Turns of the event loop without deferred work after which nothing more is expected at a moment. */
const QUIET_TURNS = 3;

/** `startMs` is the wall clock at the beginning; `seed` decides what `random` gives. */
export function createManualHost(
  options: { readonly startMs?: number; readonly seed?: number } = {},
): ManualHost {
  const { startMs = 1_700_000_000_000, seed = 1 } = options;
  const timers = new Set<Timer>();
  let elapsed = 0;
  let order = 0;
  let deferred = 0;
  let state = seed >>> 0;

  function next(until: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of timers) {
      if (timer.at > until) continue;
      if (first === null || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }

  function after(delayMs: number, run: () => void): Cancel {
    const timer = { at: elapsed + Math.max(0, delayMs), order: order++, run };
    timers.add(timer);
    return () => timers.delete(timer);
  }

  function defer(run: () => void): void {
    deferred += 1;
    systemHost.defer(() => {
      deferred -= 1;
      run();
    });
  }

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = deferred === 0 ? quiet + 1 : 0) {
      await new Promise<void>((resolve) => systemHost.defer(resolve));
    }
  }

  async function advance(ms: number): Promise<void> {
    const until = elapsed + ms;
    await settle();
    for (let timer = next(until); timer !== null; timer = next(until)) {
      timers.delete(timer);
      elapsed = Math.max(elapsed, timer.at);
      timer.run();
      await settle();
    }
    elapsed = until;
  }

  /** SplitMix32: a full-period mixer, good enough for jitter and ids (Steele, Lea and Flood, 2014). */
  function random(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  return {
    now: () => startMs + Math.floor(elapsed),
    monotonic: () => elapsed,
    after,
    defer,
    random,
    advance,
    settle,
  };
}
