import { Client } from "../client/client.ts";
import { optionCheck, optionsOf } from "../definition/options.ts";
import { startDispatcherOn } from "../dispatcher/dispatcher.ts";
import { createMemoryWorld } from "../memory/world.ts";
import { checkDelay } from "../protocol/check.ts";
import type { Handler } from "../worker/handlers.ts";
import { inlineHeartbeats } from "../worker/inline-heartbeats.ts";
import { startWorkerOn } from "../worker/worker.ts";
import { createManualHost, type ManualHost } from "./manual-host.ts";

/** The year 275,760: no calendar goes on behind it. */
const MAX_START_MS = 8.64e15;

/** What a test yard runs, and where its clock and chance begin. */
export interface TestYardOptions {
  /** As in `startYard`. */
  readonly handlers: readonly Handler[];
  /** Default 10. */
  readonly slots?: number;
  /** The wall clock at the beginning, in milliseconds since the Unix epoch. Default 1,700,000,000,000. */
  readonly startMs?: number;
  /** The same seed gives the same ids and the same jitter. Default 1. */
  readonly seed?: number;
}

/**
 * A whole yard in memory whose time stands still until the test moves it: the real dispatcher, worker and client under a
 * fake clock. Retries, delays, timeouts and heartbeats happen at once when time is advanced over them.
 *
 * Only Yardmaster's own clock is fake: a handler that waits by a timer of Node's waits in real time.
 *
 * @example
 * const yard = await createTestYard({ handlers: [on(resize, resizeImage)] });
 * const task = await yard.submit(resize, input, { delayMs: 60_000 });
 * await yard.advance(60_000);
 * expect(await task.result()).toEqual({ bytes: 1 });
 * await yard.close();
 */
export async function createTestYard(options: TestYardOptions): Promise<TestYard> {
  const { handlers, slots = 10, startMs, seed } = optionsOf("createTestYard", options);
  const check = optionCheck("createTestYard");
  check.known(options, ["handlers", "slots", "startMs", "seed"]);
  check.whole("startMs", startMs, { min: 0, max: MAX_START_MS, otherwise: 0 });
  check.whole("seed", seed, { min: 0, max: Number.MAX_SAFE_INTEGER, otherwise: 0 });
  const host = createManualHost({
    ...(startMs === undefined ? {} : { startMs }),
    ...(seed === undefined ? {} : { seed }),
  });
  const world = createMemoryWorld(host);
  const dispatcher = await startDispatcherOn({ engine: world.open(), host });
  const engine = world.open();
  const yard = new TestYard(engine, host);
  await yard.open();
  const submit: Client["submit"] = (definition, input, options) => yard.submit(definition, input, options);
  const worker = await startWorkerOn({
    engine: world.open(),
    host,
    handlers,
    slots,
    submit,
    heartbeats: inlineHeartbeats,
  });
  await host.settle();
  yard.onClose(async () => {
    await driven(host, worker.close({ timeoutMs: 10_000 }));
    await driven(host, dispatcher.close({ timeoutMs: 10_000 }));
  });
  return yard;
}

/** See `createTestYard`. Has everything that a yard from `connect` has. */
export class TestYard extends Client {
  private readonly clock: ManualHost;
  private readonly closers: (() => Promise<void>)[] = [];

  constructor(engine: ConstructorParameters<typeof Client>[0], host: ManualHost) {
    super(engine, host);
    this.clock = host;
  }

  /** Milliseconds since the Unix epoch, by the fake clock. */
  now(): number {
    return this.clock.now();
  }

  /** Moves time forward by `ms`: everything that falls due on the way happens in order before this resolves. */
  async advance(ms: number): Promise<void> {
    checkDelay(ms, "advance: ms");
    return this.clock.advance(ms);
  }

  /** Resolves once nothing is left to do without moving time. */
  settle(): Promise<void> {
    return this.clock.settle();
  }

  /** Ends the client, the worker and the dispatcher; time moves as far as that needs. */
  override async close(): Promise<void> {
    await driven(this.clock, super.close({ timeoutMs: 10_000 }));
    for (const close of this.closers.splice(0)) await close();
  }

  /** Called by `createTestYard`. */
  onClose(close: () => Promise<void>): void {
    this.closers.push(close);
  }
}

/** Advances time until the promise settles. */
async function driven(host: ManualHost, promise: Promise<unknown>): Promise<void> {
  let settled = false;
  const watched = promise.finally(() => {
    settled = true;
  });
  watched.catch(() => undefined);
  await host.settle();
  while (!settled) await host.advance(100);
  await watched;
}
