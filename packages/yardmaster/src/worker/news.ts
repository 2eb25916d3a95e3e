import type { LogLine, Note } from "../protocol/envelope.ts";
import type { Millis } from "../protocol/task.ts";
import { clip } from "./failure.ts";

const INTERVAL_MS = 200;
const MAX_LINES = 100;
const MAX_LINE_BYTES = 4 * 1024;
const LEVELS: readonly unknown[] = ["debug", "info", "warn", "error"];

/** What a running attempt has to tell: the latest progress, and the last lines of its log. */
export class News {
  /** Whether there is something to tell. */
  isPending = false;
  #progress: Note["progress"] = null;
  #lines: LogLine[] = [];
  #lastTaken: number = Number.NEGATIVE_INFINITY;

  progress(fraction: number, note: string): void {
    const share = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
    this.#progress = { fraction: share, note: clip(String(note), MAX_LINE_BYTES) };
    this.isPending = true;
  }

  log(at: Millis, message: unknown, level: LogLine["level"]): void {
    // Twice the lines are kept between cuts, so that a flood does not move the whole ring for each line.
    if (this.#lines.length >= 2 * MAX_LINES) this.#lines = this.#lines.slice(-MAX_LINES);
    const known = LEVELS.includes(level) ? level : "info";
    this.#lines.push({ at, level: known, message: clip(String(message), MAX_LINE_BYTES) });
    this.isPending = true;
  }

  /** When it may be told, by the monotonic clock; infinity when there is nothing. */
  get dueAt(): number {
    return this.isPending ? this.#lastTaken + INTERVAL_MS : Number.POSITIVE_INFINITY;
  }

  take(now: number): { readonly progress: Note["progress"]; readonly logs: readonly LogLine[] } {
    const taken = { progress: this.#progress, logs: this.#lines.slice(-MAX_LINES) };
    this.#progress = null;
    this.#lines = [];
    this.isPending = false;
    this.#lastTaken = now;
    return taken;
  }
}
