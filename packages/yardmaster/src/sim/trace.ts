import { hashText } from "./random.ts";

/** What happened in a run, in order: always as a hash, as text only for whoever replays a seed. */
export class Trace {
  readonly #print: ((line: string) => void) | null;
  #hash = 0;

  constructor(print: ((line: string) => void) | null) {
    this.#print = print;
  }

  /** Two runs with the same hash took the same course. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  note(at: number, who: string, what: string, detail = ""): void {
    this.#hash = hashText(
      detail,
      hashText(what, hashText(who, Math.imul(this.#hash ^ (at * 1000), 0x01000193))),
    );
    this.say(at, who, what, detail);
  }

  /** For the reader alone: does not count for the hash. */
  say(at: number, who: string, what: string, detail = ""): void {
    const end = detail === "" ? "" : ` ${detail}`;
    this.#print?.(`${at.toFixed(3).padStart(11)} ${who.padEnd(14)} ${what}${end}`);
  }

  /** Bytes count for the hash only. */
  content(bytes: Uint8Array): void {
    let hash = this.#hash;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    this.#hash = hash;
  }

  /** Whether somebody reads the text, so that details worth work should be given. */
  get verbose(): boolean {
    return this.#print !== null;
  }
}
