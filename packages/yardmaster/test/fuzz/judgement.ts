import { ProblemError } from "../../src/http-client.ts";
import { YardmasterError } from "../../src/protocol/errors.ts";

const MAX_MESSAGE_BYTES = 1_000;
const CONTROL = /[\p{Cc}\p{Cs}]/u;
const CHECKS_FOR_ALL = 50;
const PRISTINE = prototypes();
let checks = 0;

/** How a case ended: `taken`, or what the refusal said, without its numbers. */
export type Ending = string;

/** Runs a case, which may succeed or refuse with a typed error; anything else is a defect and is thrown. */
export function judged(run: () => unknown): Ending {
  try {
    run();
    return "taken";
  } catch (thrown) {
    return refusalOf(thrown);
  } finally {
    expectPristine();
  }
}

export async function judgedLater(run: () => unknown): Promise<Ending> {
  try {
    await run();
    return "taken";
  } catch (thrown) {
    return refusalOf(thrown);
  } finally {
    expectPristine();
  }
}

/** Throws what is no refusal of ours, or one that does not fit into a log line. */
function refusalOf(thrown: unknown): Ending {
  if (thrown instanceof ProblemError) {
    expectLoggable(thrown.message);
    return thrown.message.replaceAll(/"[^"]*"/g, "…").slice(0, 60);
  }
  if (!(thrown instanceof YardmasterError)) throw thrown;
  expectLoggable(thrown.message);
  const { what } = thrown.details;
  const said = typeof what === "string" ? what : thrown.message;
  return `${thrown.code} ${said.replaceAll(/"[^"]*"|[\w.[\]]+\.[\w.[\]]+|\d+/g, "…").slice(0, 60)}`;
}

/** Stands in payloads and results, and so may stand nowhere else. */
export const MARK = "open-sesame-4711";

/** A line that a log can take: short, with nothing of a payload, and nothing that moves a terminal or starts another line. */
export function expectLoggable(message: string): void {
  if (message.includes(MARK)) throw new Error(`A message tells of a payload: ${message.slice(0, 300)}`);
  if (Buffer.byteLength(message, "utf8") > MAX_MESSAGE_BYTES)
    throw new Error(`A message has ${message.length} characters: ${message.slice(0, 200)}`);
  const found = CONTROL.exec(message);
  if (found !== null)
    throw new Error(
      `A message holds a control character at ${found.index}: ${JSON.stringify(message.slice(0, 300))}`,
    );
}

/** What is assigned to a prototype shows in every object; what hides there is looked for from time to time, as that takes longer than most cases. */
export function expectPristine(): void {
  for (const name in [] as object) throw new Error(`A prototype that everybody shares has ${name}.`);
  checks += 1;
  if (checks % CHECKS_FOR_ALL === 0) expectAllPristine();
}

/** At the end of a run, whatever was looked at before. */
export function expectAllPristine(): void {
  if (prototypes() !== PRISTINE) throw new Error("A prototype that everybody shares was changed.");
}

function prototypes(): string {
  return [Object.prototype, Array.prototype, String.prototype, Function.prototype]
    .map(
      (prototype) =>
        Object.getOwnPropertyNames(prototype).length +
        (Object.getPrototypeOf(prototype) === null ? 0 : 1_000),
    )
    .join();
}

/** Counts how cases ended, to show that a generator reaches what lies behind the first check. */
export class Endings {
  private readonly counts = new Map<Ending, number>();
  private total = 0;

  add(ending: Ending): void {
    this.total += 1;
    this.counts.set(ending, (this.counts.get(ending) ?? 0) + 1);
  }

  share(ending: Ending): number {
    return (this.counts.get(ending) ?? 0) / Math.max(1, this.total);
  }

  /** How many different refusals there were. */
  get refusals(): number {
    return [...this.counts.keys()].filter((ending) => ending !== "taken").length;
  }

  /** The most frequent endings, in percent. */
  most(limit: number): readonly (readonly [Ending, number])[] {
    return [...this.counts]
      .sort(([, a], [, b]) => b - a)
      .slice(0, limit)
      .map(([ending, count]) => [ending, Math.round((10_000 * count) / this.total) / 100] as const);
  }
}
