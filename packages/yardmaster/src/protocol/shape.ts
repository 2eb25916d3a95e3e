import { isAmount, isLine, isName } from "./check.ts";
import { isTaskId } from "./ids.ts";
import { quoted } from "./quotation.ts";
import type { TaskId } from "./task.ts";
import { MAX_ASKED_MS } from "./writer.ts";

/** Told what is wrong with a value; throws. */
export type Refuse = (what: string) => never;

/**
 * Reads the fields of a value that came from outside by the type they should have.
 *
 * Only own fields are read and only known ones are taken over, so that `__proto__` and the like stay data.
 */
export class Shape {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly path: string;
  private readonly refuse: Refuse;

  constructor(value: unknown, path: string, refuse: Refuse) {
    this.path = path;
    this.refuse = refuse;
    this.fields = isRecord(value) ? value : refuse(`${path} is not an object`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.fields, name);
  }

  isNull(name: string): boolean {
    return this.value(name) === null;
  }

  /** Whatever is there; undefined when nothing is. */
  value(name: string): unknown {
    return this.has(name) ? this.fields[name] : undefined;
  }

  text(name: string, maxBytes: number): string {
    const value = this.value(name);
    if (typeof value !== "string") return this.wrong(name, "text");
    return this.within(name, value, maxBytes);
  }

  /** A text in which nothing starts another line. */
  line(name: string, maxBytes: number): string {
    const value = this.text(name, maxBytes);
    return isLine(value) ? value : this.wrong(name, "text without control characters");
  }

  /** The name of a task or a queue. */
  name(name: string): string {
    const value = this.value(name);
    return typeof value === "string" && isName(value) ? value : this.wrong(name, "a name");
  }

  id(name: string): TaskId {
    const value = this.value(name);
    return typeof value === "string" && isTaskId(value) ? value : this.wrong(name, "a task id");
  }

  flag(name: string): boolean {
    const value = this.value(name);
    return typeof value === "boolean" ? value : this.wrong(name, "true or false");
  }

  uint(name: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(name);
    const valid = typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
    return valid ? value : this.wrong(name, `a whole number from 0 to ${max}`);
  }

  /** Milliseconds; our own side may hold fractions, which are rounded up. */
  millis(name: string): number {
    const value = this.value(name);
    const whole = typeof value === "number" ? Math.ceil(value) : -1;
    return whole >= 0 && whole <= MAX_ASKED_MS ? whole : this.wrong(name, "milliseconds from 0");
  }

  /** A number from 0 to 1. */
  fraction(name: string): number {
    const value = this.value(name);
    return typeof value === "number" && value >= 0 && value <= 1
      ? value
      : this.wrong(name, "a number from 0 to 1");
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.value(name);
    return choices.find((choice) => choice === value) ?? this.wrong(name, choices.join(", "));
  }

  /** Any value that nests at most `maxDepth` deep; undefined when there is none. */
  tree(name: string, maxDepth: number): unknown {
    const value = this.value(name);
    return nestsWithin(value, maxDepth) ? value : this.wrong(name, `at most ${maxDepth} levels deep`);
  }

  shape(name: string): Shape {
    return new Shape(this.value(name), `${this.path}.${name}`, this.refuse);
  }

  list<T>(name: string, maxItems: number, read: (item: Shape) => T): T[] {
    const value = this.value(name);
    if (!Array.isArray(value) || value.length > maxItems)
      return this.wrong(name, `a list of up to ${maxItems}`);
    return value.map((item: unknown, index) =>
      read(new Shape(item, `${this.path}.${name}[${index}]`, this.refuse)),
    );
  }

  /** A record of texts. */
  texts(name: string, maxItems: number, maxBytes: number): Record<string, string> {
    return this.record(name, maxItems, maxBytes, (shape, key) => shape.text(key, maxBytes));
  }

  /** A record of amounts of resources. */
  amounts(name: string, maxItems: number, maxBytes: number): Record<string, number> {
    return this.record(name, maxItems, maxBytes, (shape, key) => {
      const amount = shape.value(key);
      return isAmount(amount) ? amount : shape.wrong(key, "an amount in thousandths");
    });
  }

  private record<T>(
    name: string,
    maxItems: number,
    maxBytes: number,
    read: (shape: Shape, key: string) => T,
  ): Record<string, T> {
    const record = this.value(name);
    if (!isRecord(record)) return this.wrong(name, "an object");
    const keys = Object.keys(record);
    if (keys.length > maxItems) this.wrong(name, `an object of up to ${maxItems} fields`);
    const shape = this.shape(name);
    return Object.fromEntries(
      keys.map((key) => [this.within(name, key, maxBytes), read(shape, key)] as const),
    );
  }

  private within(name: string, value: string, maxBytes: number): string {
    return Buffer.byteLength(value, "utf8") <= maxBytes
      ? value
      : this.wrong(name, `at most ${maxBytes} bytes`);
  }

  private wrong(name: string, expected: string): never {
    return this.refuse(`${this.path}.${shown(name)} is not what it should be (${expected})`);
  }
}

/** A field's name may come from outside too. */
function shown(name: string): string {
  return /^\w{1,60}$/.test(name) ? name : quoted(name);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nestsWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => nestsWithin(inner, levels - 1));
}
