import type { ByteString } from "./bytes.ts";
import { isName } from "./check.ts";
import { Interner } from "./interner.ts";
import { quoted } from "./quotation.ts";
import type { Reader } from "./reader.ts";
import { readRequirements, writeRequirements } from "./requirements.ts";
import {
  type Backoff,
  MAX_LATE_FACTOR,
  MAX_NAME_BYTES,
  MIN_LATE_FACTOR,
  type Speculation,
  type TaskLimits,
  type TaskSpec,
} from "./task.ts";
import { readRate, writeRate } from "./terms.ts";
import { unwritable, Writer } from "./writer.ts";

/** The most delays that a list of backoffs may have. */
const MAX_BACKOFF_DELAYS = 1000;
/** More than the longest valid one can take. */
const MAX_SPEC_BYTES = 40 * 1024;

const BACKOFFS = ["fixed", "exponential", "list"] as const;
const JITTERS = ["none", "full"] as const;
export const DELIVERIES: readonly TaskSpec["delivery"][] = ["at-least-once", "at-most-once"];

// Which optional fields follow; a spec without any ends before this.
const WITH_LIMITS = 1;
const WITH_REQUIREMENTS = 2;
const WITH_SPECULATION = 4;
const SPEC_FLAGS = 7;

const encoded = new WeakMap<TaskSpec, ByteString>();
const decoded = new Interner<TaskSpec>(4096);
const scratch = new Writer(512);

/** Writes a spec with its length in front; a spec object is encoded once in its life. */
export function writeSpec(writer: Writer, spec: TaskSpec): void {
  const bytes = encoded.get(spec) ?? encodeSpec(spec);
  writer.uint(bytes.length);
  writer.raw(bytes);
}

/** Reads a spec; equal ones are one frozen object, within a frame and between frames. */
export function readSpec(reader: Reader): TaskSpec {
  const start = reader.position;
  const bytes = reader.raw(reader.uintUpTo(MAX_SPEC_BYTES, "a spec's size"));
  const known = decoded.get(bytes);
  if (known !== undefined) return known;
  const end = reader.end;
  reader.end = reader.position;
  reader.position = start;
  reader.uint();
  const spec = decodeSpec(reader);
  reader.finish("a spec");
  reader.end = end;
  decoded.set(bytes, spec);
  return spec;
}

function encodeSpec(spec: TaskSpec): ByteString {
  scratch.clear();
  writeName(scratch, spec.name);
  writeName(scratch, spec.queue);
  scratch.uint(spec.version);
  scratch.uint(spec.attempts);
  writeBackoff(scratch, spec.backoff);
  scratch.askedMillis(spec.timeoutMs);
  scratch.askedMillis(spec.graceMs);
  scratch.choice(DELIVERIES, spec.delivery, "delivery");
  scratch.askedMillis(spec.keepResultMs);
  scratch.askedMillis(spec.keepFailureMs);
  writeOptional(spec);
  const bytes = scratch.toBuffer().latin1Slice();
  encoded.set(spec, bytes);
  return bytes;
}

function writeOptional({ limits, requirements, speculation }: TaskSpec): void {
  const flags =
    (limits === undefined ? 0 : WITH_LIMITS) |
    (requirements === undefined ? 0 : WITH_REQUIREMENTS) |
    (speculation === undefined ? 0 : WITH_SPECULATION);
  if (flags === 0) return;
  scratch.byte(flags);
  if (limits !== undefined) {
    scratch.uint(limits.concurrency);
    writeRate(scratch, limits.rate);
  }
  if (requirements !== undefined) writeRequirements(scratch, requirements);
  if (speculation === undefined) return;
  if (!isLateFactor(speculation.afterFactor))
    throw unwritable(`a second attempt after ${speculation.afterFactor} times what is expected`);
  scratch.double(speculation.afterFactor);
  scratch.millis(speculation.afterMs);
}

function decodeSpec(reader: Reader): TaskSpec {
  return Object.freeze({
    name: readName(reader),
    queue: readName(reader),
    version: reader.uint(),
    attempts: reader.uint(),
    backoff: Object.freeze(readBackoff(reader)),
    timeoutMs: reader.askedMillis(),
    graceMs: reader.askedMillis(),
    delivery: reader.choice(DELIVERIES, "delivery"),
    keepResultMs: reader.askedMillis(),
    keepFailureMs: reader.askedMillis(),
    // A spec has its length in front: a plain one ends here.
    ...(reader.position < reader.end ? readOptional(reader) : {}),
  });
}

function readOptional(reader: Reader): Pick<TaskSpec, "limits" | "requirements" | "speculation"> {
  const flags = reader.byte();
  if (flags > SPEC_FLAGS) reader.fail(`flags ${flags} of a spec are unknown`);
  return {
    ...((flags & WITH_LIMITS) === 0 ? {} : { limits: readLimits(reader) }),
    ...((flags & WITH_REQUIREMENTS) === 0 ? {} : { requirements: readRequirements(reader) }),
    ...((flags & WITH_SPECULATION) === 0 ? {} : { speculation: readSpeculation(reader) }),
  };
}

function readSpeculation(reader: Reader): Speculation {
  const afterFactor = reader.double();
  if (!isLateFactor(afterFactor)) reader.fail(`a second attempt after ${afterFactor} times what is expected`);
  return Object.freeze({ afterFactor, afterMs: reader.uint() });
}

/** Also false for what is no number. */
function isLateFactor(factor: number): boolean {
  return factor >= MIN_LATE_FACTOR && factor <= MAX_LATE_FACTOR;
}

function readLimits(reader: Reader): TaskLimits {
  return Object.freeze({ concurrency: reader.uint(), rate: readRate(reader) });
}

function writeBackoff(writer: Writer, backoff: Backoff): void {
  writer.choice(BACKOFFS, backoff.type, "backoff");
  writer.choice(JITTERS, backoff.jitter, "jitter");
  if (backoff.type === "list") {
    if (backoff.delaysMs.length > MAX_BACKOFF_DELAYS) {
      throw unwritable(`a backoff lists ${backoff.delaysMs.length} delays, more than ${MAX_BACKOFF_DELAYS}`);
    }
    writer.uint(backoff.delaysMs.length);
    for (const delayMs of backoff.delaysMs) writer.askedMillis(delayMs);
    return;
  }
  writer.askedMillis(backoff.baseMs);
  if (backoff.type === "exponential") writer.askedMillis(backoff.maxMs);
}

function readBackoff(reader: Reader): Backoff {
  const type = reader.choice(BACKOFFS, "backoff");
  const jitter = reader.choice(JITTERS, "jitter");
  if (type === "fixed") return { type, baseMs: reader.askedMillis(), jitter };
  if (type === "exponential")
    return { type, baseMs: reader.askedMillis(), maxMs: reader.askedMillis(), jitter };
  const count = reader.count(1, "a backoff");
  if (count > MAX_BACKOFF_DELAYS) reader.fail(`a backoff lists ${count} delays`);
  const delaysMs = Object.freeze(Array.from({ length: count }, () => reader.askedMillis()));
  return { type, delaysMs, jitter };
}

function writeName(writer: Writer, name: string): void {
  if (!isName(name)) throw unwritable(`${quoted(name)} is not a name`);
  writer.text(name, MAX_NAME_BYTES);
}

function readName(reader: Reader): string {
  const name = reader.text(MAX_NAME_BYTES);
  return isName(name) ? name : reader.fail("a name is empty or holds control characters");
}
