import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";

/**
 * Time, timers and chance, as the rest of the code may use them.
 *
 * Everything that waits or draws does it through a `Host`, so that a simulation can run the same code
 * under a virtual clock from one seed. This file holds the only real one.
 */
export interface Host {
  /** Wall-clock milliseconds since the Unix epoch. May jump; use it for records, never for intervals. */
  now(): number;
  /** Monotonic milliseconds with fractions. Never jumps; use it for leases and timeouts. */
  monotonic(): number;
  /** Calls `run` once after `delayMs` and returns the way to prevent that. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` after the I/O that has already arrived was handled (a macrotask). */
  defer(run: () => void): void;
  /** A uniformly distributed unsigned 32-bit integer. */
  random(): number;
}

export type Cancel = () => void;

/** The real clock, timers and random source of this process. */
export const systemHost: Host = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
  defer(run) {
    setImmediate(run);
  },
  random: nextRandom,
};

/** Drawn from the system in pages: a call for each number costs more than the rest of submitting a task. */
const PAGE_BYTES = 4096;
let page: Buffer = Buffer.alloc(0);
let drawn = 0;

function nextRandom(): number {
  if (drawn === page.length) {
    page = randomBytes(PAGE_BYTES);
    drawn = 0;
  }
  drawn += 4;
  return page.readUInt32LE(drawn - 4);
}

/** Node runs longer timers at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A uniformly distributed number from 0 up to and without 1. */
export function fraction(host: Host): number {
  return host.random() / 2 ** 32;
}

/** Resolves after `delayMs`. */
export function pause(host: Host, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    host.after(delayMs, resolve);
  });
}
