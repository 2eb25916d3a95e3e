import type { Fact } from "../packages/yardmaster/src/testing/fact.ts";
import { linesOf } from "./lines.ts";
import type { Line } from "./recorder.ts";
import type { Timeline } from "./timeline.ts";

/** A line in its place. */
interface Placed {
  readonly at: number;
  /** Between lines of one time: the order in which they were read. */
  readonly order: number;
  readonly line: Fact;
}

/** All files' facts in the order of time, each commit where it took effect, with one line of each file in memory. */
export async function* merge(files: readonly string[], timeline: Timeline): AsyncGenerator<Fact> {
  const sources = await Promise.all(files.map((file) => Source.open(file)));
  const waiting = new Agenda();
  let order = 0;
  for (;;) {
    const next = earliest(sources);
    for (let first = waiting.first; first !== null; first = waiting.first) {
      if (next !== null && next.at < first.at) break;
      yield waiting.shift(first);
    }
    if (next === null) return;
    const line = factOf(next.file, next.line, timeline);
    if (line !== null) waiting.add({ at: line.at, order: order++, line });
    await next.advance();
  }
}

/** One file, a line ahead. */
class Source {
  readonly file: string;
  readonly #lines: AsyncGenerator<Line>;
  #line: Line | null = null;

  private constructor(file: string) {
    this.file = file;
    this.#lines = linesOf(file);
  }

  static async open(file: string): Promise<Source> {
    const source = new Source(file);
    await source.advance();
    return source;
  }

  get at(): number {
    return this.#line?.at ?? Number.POSITIVE_INFINITY;
  }

  get line(): Line {
    if (this.#line === null) throw new RangeError(`${this.file} is at its end`);
    return this.#line;
  }

  async advance(): Promise<void> {
    const { value, done } = await this.#lines.next();
    this.#line = done === true ? null : value;
  }
}

/** Of the sources that are not at their end. */
function earliest(sources: readonly Source[]): Source | null {
  let first: Source | null = null;
  for (const source of sources)
    if (Number.isFinite(source.at) && (first === null || source.at < first.at)) first = source;
  return first;
}

/** Lines that were read and wait for their time: few, as a commit takes effect soon after its call. */
class Agenda {
  readonly #waiting: Placed[] = [];

  get first(): Placed | null {
    return this.#waiting[0] ?? null;
  }

  add(placed: Placed): void {
    let index = this.#waiting.length;
    while (index > 0 && isBefore(placed, this.#waiting[index - 1])) index -= 1;
    this.#waiting.splice(index, 0, placed);
  }

  shift(first: Placed): Fact {
    this.#waiting.shift();
    return first.line;
  }
}

function isBefore(one: Placed, other: Placed | undefined): boolean {
  if (other === undefined) return false;
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** What a line says that took effect; null for nothing. */
function factOf(file: string, line: Line, timeline: Timeline): Fact | null {
  switch (line.type) {
    case "acquireEnd":
    case "clockSet":
    case "loaded":
      return null;
    case "commitEnd": {
      const refusal = timeline.refusalOf(file, line.call);
      if (refusal === undefined) return null;
      return { type: "refused", at: line.at, lease: refusal.lease, sequence: refusal.sequence };
    }
    case "acquiring":
    case "committing": {
      const effect = timeline.effectOf(file, line.call);
      if (effect === undefined) return null;
      const { at, lease } = effect;
      if (line.type === "acquiring") return { type: "acquired", at, lease };
      return { type: "committed", at, lease, sequence: line.sequence, changes: line.changes };
    }
    default:
      return line;
  }
}
