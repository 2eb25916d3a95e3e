import { isKey } from "./check.ts";
import { Interner } from "./interner.ts";
import type { Reader } from "./reader.ts";
import {
  MAX_KEY_BYTES,
  MAX_TRACE_BYTES,
  MAX_WEIGHT,
  MIN_WEIGHT,
  type Rate,
  type ReplaceTerms,
  type TaskTerms,
} from "./task.ts";
import { unwritable, Writer } from "./writer.ts";

/** More than the longest valid ones can take. */
const MAX_TERMS_BYTES = 7300;

// Which fields follow.
const TIMED = 1;
const FAIR = 2;
const WEIGHED = 4;
const CONCURRENT = 8;
const RATED = 16;
const AFFINE = 32;
const REPLACING = 64;
const TRACED = 128;
const FLAGS = 255;

const decoded = new Interner<TaskTerms>(4096);
const scratch = new Writer(512);

/** Writes the terms of a task with their length in front. */
export function writeTerms(writer: Writer, terms: TaskTerms): void {
  const {
    deadline,
    deadlineInMs,
    fairnessKey,
    weight,
    concurrencyKey,
    rateKey,
    affinityKey,
    replace,
    trace,
  } = terms;
  const timed = deadline !== 0 || deadlineInMs !== 0;
  scratch.clear();
  scratch.byte(
    (timed ? TIMED : 0) |
      (fairnessKey === "" ? 0 : FAIR) |
      (weight === 1 ? 0 : WEIGHED) |
      (concurrencyKey === "" ? 0 : CONCURRENT) |
      (rateKey === "" ? 0 : RATED) |
      (affinityKey === "" ? 0 : AFFINE) |
      (replace === undefined ? 0 : REPLACING) |
      (trace === undefined ? 0 : TRACED),
  );
  if (timed) {
    scratch.millis(deadline);
    scratch.askedMillis(deadlineInMs);
  }
  writeKey(fairnessKey, "a fairness key");
  if (weight !== 1) {
    if (!isWeight(weight))
      throw unwritable(`the weight ${weight} is not from ${MIN_WEIGHT} to ${MAX_WEIGHT}`);
    scratch.double(weight);
  }
  writeKey(concurrencyKey, "a concurrency key");
  writeKey(rateKey, "a rate key");
  writeKey(affinityKey, "an affinity key");
  if (replace !== undefined) {
    if (replace.key === "") throw unwritable("a key for replacing is empty");
    writeKey(replace.key, "a key for replacing");
    scratch.askedMillis(replace.waitMs);
    scratch.askedMillis(replace.maxWaitMs);
    scratch.millis(replace.until);
  }
  if (trace !== undefined) scratch.text(trace, MAX_TRACE_BYTES);
  const bytes = scratch.toBuffer().latin1Slice();
  writer.uint(bytes.length);
  writer.raw(bytes);
}

/** Reads terms; equal ones are one frozen object, but for traced ones, which are all different. */
export function readTerms(reader: Reader): TaskTerms {
  const length = reader.uintUpTo(MAX_TERMS_BYTES, "the size of terms");
  const start = reader.position;
  const bytes = reader.raw(length);
  const known = decoded.get(bytes);
  if (known !== undefined) return known;
  const end = reader.end;
  reader.end = reader.position;
  reader.position = start;
  const terms = decodeTerms(reader);
  reader.finish("terms");
  reader.end = end;
  if (terms.trace === undefined) decoded.set(bytes, terms);
  return terms;
}

function decodeTerms(reader: Reader): TaskTerms {
  const flags = reader.byte();
  if (flags > FLAGS) reader.fail(`flags ${flags} of terms are unknown`);
  const timed = (flags & TIMED) !== 0;
  const deadline = timed ? reader.uint() : 0;
  const deadlineInMs = timed ? reader.askedMillis() : 0;
  const fairnessKey = (flags & FAIR) === 0 ? "" : readKey(reader);
  const weight = (flags & WEIGHED) === 0 ? 1 : reader.double();
  if (!isWeight(weight)) reader.fail(`the weight ${weight} is out of range`);
  const concurrencyKey = (flags & CONCURRENT) === 0 ? "" : readKey(reader);
  const rateKey = (flags & RATED) === 0 ? "" : readKey(reader);
  const affinityKey = (flags & AFFINE) === 0 ? "" : readKey(reader);
  const replace = (flags & REPLACING) === 0 ? {} : { replace: readReplace(reader) };
  const trace = (flags & TRACED) === 0 ? {} : { trace: reader.text(MAX_TRACE_BYTES) };
  return Object.freeze({
    deadline,
    deadlineInMs,
    fairnessKey,
    weight,
    concurrencyKey,
    rateKey,
    affinityKey,
    ...replace,
    ...trace,
  });
}

function readReplace(reader: Reader): ReplaceTerms {
  return Object.freeze({
    key: readKey(reader),
    waitMs: reader.askedMillis(),
    maxWaitMs: reader.askedMillis(),
    until: reader.uint(),
  });
}

export function isWeight(weight: number): boolean {
  return weight >= MIN_WEIGHT && weight <= MAX_WEIGHT;
}

export function writeRate(writer: Writer, rate: Rate | null): void {
  if (rate === null) {
    writer.uint(0);
    return;
  }
  if (!isRate(rate)) throw unwritable("a rate's limit, time or burst is not a whole number from 1");
  writer.uint(rate.limit);
  writer.uint(rate.perMs);
  writer.uint(rate.burst);
}

export function readRate(reader: Reader): Rate | null {
  const limit = reader.uint();
  if (limit === 0) return null;
  const rate = Object.freeze({ limit, perMs: reader.uint(), burst: reader.uint() });
  return isRate(rate) ? rate : reader.fail("a rate's time or burst is 0");
}

function isRate({ limit, perMs, burst }: Rate): boolean {
  return limit >= 1 && perMs >= 1 && burst >= 1;
}

function writeKey(key: string, what: string): void {
  if (key === "") return;
  if (!isKey(key)) throw unwritable(`${what} is too long or holds control characters`);
  scratch.text(key, MAX_KEY_BYTES);
}

function readKey(reader: Reader): string {
  const key = reader.text(MAX_KEY_BYTES);
  return isKey(key) ? key : reader.fail("a key is empty or holds control characters");
}
