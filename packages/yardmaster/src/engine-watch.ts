import type { Engine } from "./engine.ts";
import { type Cancel, fraction, type Host, pause } from "./host.ts";
import { messageOf, YardmasterError } from "./protocol/errors.ts";
import { quoted } from "./protocol/quotation.ts";

/** The engine was lost, or is there again. Told once for each, not for each try. */
export interface EngineNews {
  readonly isUp: boolean;
  /** A sentence for people; never a password. */
  readonly message: string;
}

export interface EngineWait {
  /** How long an engine that cannot be reached is tried again, in milliseconds, Infinity for ever; default 0. */
  readonly waitForEngineMs?: number;
  /** Told when the engine is waited for or was lost, and when it is there again; must not throw. */
  readonly onEngine?: (news: EngineNews) => void;
}

const RETRY_MS = { first: 100, most: 2_000 };
const LOOK_MS = 500;
/** An engine is there again when nothing has failed for this long. */
const CALM_MS = 2_000;

/**
 * Makes `attempt` until the engine can be reached, with growing and spread pauses, for as long as `wait` says; then
 * throws what the last attempt did. An engine that refuses this client is not asked again.
 */
export async function whenReachable<T>(host: Host, wait: EngineWait, attempt: () => Promise<T>): Promise<T> {
  const { waitForEngineMs = 0, onEngine } = wait;
  checkWait(waitForEngineMs);
  const until = host.monotonic() + waitForEngineMs;
  for (let tries = 0; ; tries += 1) {
    try {
      const reached = await attempt();
      if (tries > 0) onEngine?.({ isUp: true, message: "The engine can be reached now." });
      return reached;
    } catch (error) {
      if (!isUnavailable(error) || waitForEngineMs === 0) throw error;
      const leftMs = until - host.monotonic();
      if (leftMs <= 0) throw gaveUp(error, waitForEngineMs);
      if (tries === 0) onEngine?.({ isUp: false, message: `${error.message} Trying again.` });
      await pause(host, Math.min(leftMs, retryDelayMs(host, tries)));
    }
  }
}

/** Looks at what an engine says of itself, hears what others find, and tells when it is lost and when it is back. */
export class EngineWatch {
  readonly #engine: Engine;
  readonly #host: Host;
  readonly #onEngine: (news: EngineNews) => void;
  #isLost = false;
  #failedAt = Number.NEGATIVE_INFINITY;
  #cancel: Cancel = () => undefined;

  constructor(engine: Engine, host: Host, onEngine: EngineWait["onEngine"]) {
    this.#engine = engine;
    this.#host = host;
    this.#onEngine = onEngine ?? (() => undefined);
    if (onEngine !== undefined) this.#look();
  }

  /** Something that needs the engine failed; what is no failure of the engine is ignored. */
  failed(error: unknown): void {
    if (isUnavailable(error)) this.#lost(error.message);
  }

  close(): void {
    this.#cancel();
  }

  #look(): void {
    const down = this.#engine.report().filter(({ isUp }) => !isUp);
    for (const { engine, trouble } of down) this.#lost(`${engine} is lost: ${trouble ?? "no reason given"}`);
    if (this.#isLost && this.#host.monotonic() - this.#failedAt >= CALM_MS) {
      this.#isLost = false;
      this.#onEngine({ isUp: true, message: "The engine is back." });
    }
    this.#cancel = this.#host.after(LOOK_MS, () => this.#look());
  }

  #lost(message: string): void {
    this.#failedAt = this.#host.monotonic();
    if (this.#isLost) return;
    this.#isLost = true;
    this.#onEngine({ isUp: false, message });
  }
}

/** Whether the engine could not be reached or did not answer, so that trying again may help. */
export function isUnavailable(error: unknown): error is YardmasterError {
  if (!(error instanceof YardmasterError)) return false;
  return error.code === "BROKER_UNAVAILABLE" || error.code === "STORE_UNAVAILABLE";
}

function checkWait(waitForEngineMs: unknown): void {
  if (typeof waitForEngineMs === "number" && waitForEngineMs >= 0) return;
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `waitForEngineMs must be a number from 0, or Infinity, not ${quoted(waitForEngineMs)}.`,
  );
}

function gaveUp(error: YardmasterError, waitedMs: number): YardmasterError {
  const message = `${messageOf(error)} Gave up after ${waitedMs / 1_000} s.`;
  return new YardmasterError(error.code, message, { cause: error });
}

/** Doubles up to its limit; spread, so that a whole fleet does not come at the same moment. */
function retryDelayMs(host: Host, tries: number): number {
  return Math.min(RETRY_MS.first * 2 ** tries, RETRY_MS.most) * (0.5 + fraction(host) / 2);
}
