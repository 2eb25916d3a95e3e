import { type Host, systemHost } from "../host.ts";
import { plain } from "./plain-text.ts";

/** A terminal, as far as a bar needs it. */
interface BarTerminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const WIDTH = 24;
const REDRAW_MS = 100;
const LINE_START = "\r";
const CLEAR = "\u001b[K";

/** How far something is, on one line of a terminal; nothing where no terminal is. */
export class ProgressBar {
  readonly #what: string;
  readonly #terminal: BarTerminal;
  readonly #host: Pick<Host, "monotonic">;
  readonly #startedAt: number;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(
    what: string,
    terminal: BarTerminal = process.stderr,
    host: Pick<Host, "monotonic"> = systemHost,
  ) {
    this.#what = plain(what);
    this.#terminal = terminal;
    this.#host = host;
    this.#startedAt = host.monotonic();
  }

  /** `total` is null while nobody knows how many there will be. */
  tell(done: number, total: number | null, failed = 0): void {
    if (this.#terminal.isTTY !== true) return;
    const now = this.#host.monotonic();
    if (now - this.#drawnAt < REDRAW_MS && done !== total) return;
    this.#drawnAt = now;
    const line = barLine(this.#what, done, total, failed, now - this.#startedAt);
    this.#terminal.write(`${LINE_START}${line.slice(0, (this.#terminal.columns ?? 80) - 1)}${CLEAR}`);
  }

  /** Takes the line away again. */
  end(): void {
    if (this.#terminal.isTTY === true) this.#terminal.write(`${LINE_START}${CLEAR}`);
  }
}

/** The line by itself: a bar, a count, a rate, and what failed. */
export function barLine(
  what: string,
  done: number,
  total: number | null,
  failed: number,
  tookMs: number,
): string {
  const rate = tookMs <= 0 ? 0 : (done * 1_000) / tookMs;
  const share = total === null || total === 0 ? 0 : Math.min(1, done / total);
  const full = Math.floor(share * WIDTH);
  const bar = total === null ? "" : ` [${"#".repeat(full)}${".".repeat(WIDTH - full)}]`;
  const count = total === null ? `${done}` : `${done}/${total} ${Math.floor(share * 100)}%`;
  const rest = failed > 0 ? `, ${failed} failed` : "";
  return `${what}${bar} ${count} ${Math.round(rate)}/s${rest}`;
}
