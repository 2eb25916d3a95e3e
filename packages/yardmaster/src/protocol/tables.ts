import { internText } from "./interner.ts";
import type { Reader } from "./reader.ts";
import { readSpec, writeSpec } from "./spec.ts";
import { MAX_KEY_BYTES, type TaskSpec } from "./task.ts";
import { Writer } from "./writer.ts";

/** The longest text that a table holds: a mailbox, a name or a code. */
export const MAX_TABLE_TEXT_BYTES: number = MAX_KEY_BYTES;

/** No envelope names more than one text and one spec. */
const MAX_TABLE_ITEMS = 1024 * 1024;

/**
 * The texts and specs that the envelopes of a frame share, each written once and then named by its number.
 * Text 0 is the empty one.
 */
export class WriterTables {
  private readonly texts = new Map<string, number>();
  private readonly specs = new Map<TaskSpec, number>();
  private readonly textBytes = new Writer(512);
  private readonly specBytes = new Writer(512);
  // Most frames name one text and one spec over and over: comparing with the last saves the hash look-up.
  private lastText = "";
  private lastTextNumber = 0;
  private lastSpec: TaskSpec | null = null;
  private lastSpecNumber = 0;

  clear(): void {
    this.texts.clear();
    this.specs.clear();
    this.textBytes.clear();
    this.specBytes.clear();
    this.lastText = "";
    this.lastTextNumber = 0;
    this.lastSpec = null;
  }

  get bytes(): number {
    return this.textBytes.position + this.specBytes.position;
  }

  text(text: string): number {
    if (text === "") return 0;
    if (text === this.lastText) return this.lastTextNumber;
    const number = this.texts.get(text) ?? this.addText(text);
    this.lastText = text;
    this.lastTextNumber = number;
    return number;
  }

  spec(spec: TaskSpec): number {
    if (spec === this.lastSpec) return this.lastSpecNumber;
    const number = this.specs.get(spec) ?? this.addSpec(spec);
    this.lastSpec = spec;
    this.lastSpecNumber = number;
    return number;
  }

  writeCounts(header: Writer): void {
    header.uint(this.texts.size);
    header.uint(this.specs.size);
  }

  copyTo(target: Buffer, at: number): number {
    return this.specBytes.copyTo(target, this.textBytes.copyTo(target, at));
  }

  private addText(text: string): number {
    this.textBytes.line(text, MAX_TABLE_TEXT_BYTES);
    const number = this.texts.size + 1;
    this.texts.set(text, number);
    return number;
  }

  private addSpec(spec: TaskSpec): number {
    writeSpec(this.specBytes, spec);
    const number = this.specs.size;
    this.specs.set(spec, number);
    return number;
  }
}

/** The same tables as a reader finds them. */
export class ReaderTables {
  private readonly texts: readonly string[];
  private readonly specs: readonly TaskSpec[];

  constructor(reader: Reader) {
    const textCount = this.size(reader, 2, "texts");
    const specCount = this.size(reader, 8, "specs");
    this.texts = [
      "",
      ...Array.from({ length: textCount }, () => internText(reader.line(MAX_TABLE_TEXT_BYTES))),
    ];
    this.specs = Array.from({ length: specCount }, () => readSpec(reader));
  }

  private size(reader: Reader, minBytes: number, items: string): number {
    const count = reader.count(minBytes, `the table of ${items}`);
    return count <= MAX_TABLE_ITEMS ? count : reader.fail(`a frame has at most ${MAX_TABLE_ITEMS} ${items}`);
  }

  text(reader: Reader): string {
    const number = reader.uint();
    return this.texts[number] ?? reader.fail(`text ${number} is not in the frame's table`);
  }

  spec(reader: Reader): TaskSpec {
    const number = reader.uint();
    return this.specs[number] ?? reader.fail(`spec ${number} is not in the frame's table`);
  }
}
