import type { ReadStream, WriteStream } from "node:tty";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const CTRL_C = "\u0003";

/** The whole terminal, given back as it was. */
export class Screen {
  readonly #out: WriteStream;
  readonly #in: ReadStream;
  readonly #onKey: (key: string) => void;
  readonly #onResize: () => void;
  readonly #read: (data: Buffer) => void;

  constructor(out: WriteStream, input: ReadStream, onKey: (key: string) => void, onResize: () => void) {
    this.#out = out;
    this.#in = input;
    this.#onKey = onKey;
    this.#onResize = onResize;
    this.#read = (data) => {
      for (const key of data.toString("utf8")) this.#onKey(key === CTRL_C ? "q" : key);
    };
  }

  get columns(): number {
    return this.#out.columns;
  }

  get rows(): number {
    return this.#out.rows;
  }

  open(): void {
    this.#out.write(ENTER);
    if (this.#in.isTTY) {
      this.#in.setRawMode(true);
      this.#in.on("data", this.#read);
      this.#in.resume();
    }
    this.#out.on("resize", this.#onResize);
  }

  /** Written over what is there, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}${CLEAR_LINE}`).join("\r\n");
    this.#out.write(`${HOME}${text}${CLEAR_BELOW}`);
  }

  close(): void {
    this.#out.off("resize", this.#onResize);
    if (this.#in.isTTY) {
      this.#in.off("data", this.#read);
      this.#in.setRawMode(false);
      this.#in.pause();
    }
    this.#out.write(LEAVE);
  }
}
