import { isAmount, isName } from "./check.ts";
import { quoted } from "./quotation.ts";
import type { Reader } from "./reader.ts";
import { MAX_ASKED, MAX_NAME_BYTES, type TaskRequirements } from "./task.ts";
import { unwritable, type Writer } from "./writer.ts";

/** Amounts travel as thousandths. */
const PARTS = 1000;

export function writeRequirements(writer: Writer, { needs, labels, preferred }: TaskRequirements): void {
  const entries = Object.entries(needs);
  checkCount(entries.length, "resources");
  writer.uint(entries.length);
  for (const [name, amount] of entries) {
    writeName(writer, name);
    if (!isAmount(amount)) throw unwritable(`${amount} of ${name} is not an amount in thousandths`);
    writer.uint(Math.round(amount * PARTS));
  }
  writeLabels(writer, labels);
  writeLabels(writer, preferred);
}

export function readRequirements(reader: Reader): TaskRequirements {
  const count = readCount(reader, "resources");
  const needs = Array.from({ length: count }, () => {
    const entry = [readName(reader), reader.uint() / PARTS] as const;
    if (!isAmount(entry[1])) reader.fail("an amount of a resource is too large");
    return entry;
  });
  return Object.freeze({
    needs: Object.freeze(Object.fromEntries(needs)),
    labels: readLabels(reader),
    preferred: readLabels(reader),
  });
}

function writeLabels(writer: Writer, labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  checkCount(entries.length, "labels");
  writer.uint(entries.length);
  for (const [name, text] of entries) {
    writeName(writer, name);
    writer.text(text, MAX_NAME_BYTES);
  }
}

function readLabels(reader: Reader): Readonly<Record<string, string>> {
  const count = readCount(reader, "labels");
  const entries = Array.from(
    { length: count },
    () => [readName(reader), reader.text(MAX_NAME_BYTES)] as const,
  );
  return Object.freeze(Object.fromEntries(entries));
}

function writeName(writer: Writer, name: string): void {
  if (!isName(name)) throw unwritable(`${quoted(name)} is not a name`);
  writer.text(name, MAX_NAME_BYTES);
}

function readName(reader: Reader): string {
  const name = reader.text(MAX_NAME_BYTES);
  return isName(name) ? name : reader.fail("a name is empty or holds control characters");
}

function checkCount(count: number, what: string): void {
  if (count > MAX_ASKED) throw unwritable(`a task asks for ${count} ${what}, more than ${MAX_ASKED}`);
}

function readCount(reader: Reader, what: string): number {
  const count = reader.count(2, what);
  return count <= MAX_ASKED ? count : reader.fail(`a task asks for ${count} ${what}`);
}
