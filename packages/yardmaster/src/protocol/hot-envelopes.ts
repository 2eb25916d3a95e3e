import { isKey } from "./check.ts";
import type { Answered, Assign, Outcome, Settled } from "./envelope.ts";
import { KeptAssign, KeptSettled } from "./kept-envelopes.ts";
import { readLinks, writeLinks } from "./links.ts";
import { quoted } from "./quotation.ts";
import type { Reader } from "./reader.ts";
import type { ReaderTables, WriterTables } from "./tables.ts";
import {
  type IdempotencyKey,
  MAX_BYTES,
  MAX_KEY_BYTES,
  MAX_PRIORITY,
  MAX_TRACE_BYTES,
  type Submission,
  TERMINAL_STATES,
} from "./task.ts";
import { readTerms, writeTerms } from "./terms.ts";
import { unwritable, type Writer } from "./writer.ts";

/** The most bytes of the hash that tells one input from another. */
const MAX_HASH_BYTES = 64;

/** An item's index is its number on the wire. */
const KINDS = ["succeeded", "failed", "final", "retryIn", "returned", "cancelled"] as const;

// Which optional fields of a submission follow; most have none.
const COPY = 1;
const KEYED = 2;
const REPEATS = 4;
const TIMED = 8;
const WITH_TERMS = 16;
const LINKED = 32;
const SUBMISSION_FLAGS = 63;

// Above the number of the kind or state.
const CHOICE = 15;
const WITH_ERROR = 16;
const BY_REFERENCE = 32;
// Of an assignment.
const TRACED = 64;
const ASSIGN_FLAGS = BY_REFERENCE | TRACED;

export function writeSubmission(writer: Writer, submission: Submission, tables: WriterTables): void {
  const { key, retryOf, runAt, delayMs, expiresInMs } = submission;
  const timed = runAt !== 0 || delayMs !== 0 || expiresInMs !== 0;
  writer.id(submission.id);
  writer.uint(tables.spec(submission.spec));
  writer.uint(tables.text(submission.replyTo));
  writer.byte(
    (submission.copy ? COPY : 0) |
      (key ? KEYED : 0) |
      (retryOf === "" ? 0 : REPEATS) |
      (timed ? TIMED : 0) |
      (submission.terms ? WITH_TERMS : 0) |
      (submission.links ? LINKED : 0),
  );
  if (!(submission.priority <= MAX_PRIORITY))
    throw unwritable(`priority ${submission.priority} is too large`);
  writer.uint(submission.priority);
  if (timed) {
    writer.askedMillis(runAt);
    writer.askedMillis(delayMs);
    writer.askedMillis(expiresInMs);
  }
  if (key) writeKey(writer, key);
  if (retryOf !== "") writer.id(retryOf);
  if (submission.terms) writeTerms(writer, submission.terms);
  if (submission.links) writeLinks(writer, submission.links);
  writer.bytes(submission.payload);
}

export function readSubmission(reader: Reader, tables: ReaderTables): Submission {
  const id = reader.id();
  const spec = tables.spec(reader);
  const replyTo = tables.text(reader);
  const flags = reader.byte();
  if (flags > SUBMISSION_FLAGS) reader.fail(`flags ${flags} of a submission are unknown`);
  const priority = reader.uintUpTo(MAX_PRIORITY, "priority");
  const timed = (flags & TIMED) !== 0;
  const runAt = timed ? reader.askedMillis() : 0;
  const delayMs = timed ? reader.askedMillis() : 0;
  const expiresInMs = timed ? reader.askedMillis() : 0;
  const key = (flags & KEYED) === 0 ? null : readKey(reader);
  const retryOf = (flags & REPEATS) === 0 ? "" : reader.id();
  const copy = (flags & COPY) !== 0;
  const terms = (flags & WITH_TERMS) === 0 ? null : readTerms(reader);
  const links = (flags & LINKED) === 0 ? null : readLinks(reader);
  if (links !== null && links.graph !== "" && key !== null)
    reader.fail("a member of a graph has an idempotency key");
  const payload = reader.bytes();
  const plain = {
    id,
    spec,
    priority,
    runAt,
    delayMs,
    expiresInMs,
    key,
    retryOf,
    replyTo,
    copy,
    terms,
    payload,
  };
  return links === null ? plain : { ...plain, links };
}

function writeKey(writer: Writer, key: IdempotencyKey): void {
  if (!isKey(key.key)) throw unwritable(`${quoted(key.key)} is not an idempotency key`);
  if (key.inputHash.length > MAX_HASH_BYTES) throw unwritable("an input's hash is too long");
  writer.text(key.key, MAX_KEY_BYTES);
  writer.askedMillis(key.windowMs);
  writer.bytes(key.inputHash);
}

function readKey(reader: Reader): IdempotencyKey {
  const key = reader.text(MAX_KEY_BYTES);
  if (!isKey(key)) reader.fail("an idempotency key is empty or holds control characters");
  const windowMs = reader.askedMillis();
  return { key, windowMs, inputHash: reader.raw(reader.uintUpTo(MAX_HASH_BYTES, "a hash's size")) };
}

export function writeAssign(writer: Writer, assign: Assign, tables: WriterTables): void {
  writer.id(assign.id);
  writer.uint(assign.attempt);
  writer.uint(tables.text(assign.name));
  writer.uint(assign.version);
  writer.uint(assign.attempts);
  writer.askedMillis(assign.timeoutMs);
  writer.askedMillis(assign.graceMs);
  writer.millis(assign.expiresAt);
  const { payload, trace } = assign;
  writer.byte((payload === null ? BY_REFERENCE : 0) | (trace === undefined ? 0 : TRACED));
  if (payload !== null) writer.bytes(payload);
  if (trace !== undefined) writer.text(trace, MAX_TRACE_BYTES);
}

export function readAssign(reader: Reader, tables: ReaderTables): Assign {
  const id = reader.id();
  const attempt = reader.uint();
  const name = tables.text(reader);
  const version = reader.uint();
  const attempts = reader.uint();
  const timeoutMs = reader.askedMillis();
  const graceMs = reader.askedMillis();
  const expiresAt = reader.uint();
  const flags = reader.byte();
  if ((flags & ~ASSIGN_FLAGS) !== 0) reader.fail(`flags ${flags} of an assignment are unknown`);
  const payload = (flags & BY_REFERENCE) === 0 ? reader.bytes() : null;
  const trace = (flags & TRACED) === 0 ? undefined : reader.text(MAX_TRACE_BYTES);
  const plain = { id, attempt, name, version, attempts, timeoutMs, graceMs, expiresAt, payload };
  return new KeptAssign(plain, trace);
}

export function writeOutcome(writer: Writer, outcome: Outcome): void {
  const kind = KINDS.indexOf(outcome.kind);
  if (kind < 0) throw unwritable(`outcome ${String(outcome.kind)} is unknown`);
  writer.byte(kind | (outcome.error ? WITH_ERROR : 0));
  writer.id(outcome.id);
  writer.uint(outcome.epoch);
  writer.uint(outcome.attempt);
  writer.askedMillis(outcome.delayMs);
  writer.askedMillis(outcome.startedAt);
  writer.bytes(outcome.result);
  if (outcome.error) writer.error(outcome.error);
}

export function readOutcome(reader: Reader): Outcome {
  const flags = reader.byte();
  const kind = KINDS[flags & CHOICE];
  if (kind === undefined || (flags & ~(CHOICE | WITH_ERROR)) !== 0)
    reader.fail(`outcome ${flags} is unknown`);
  const id = reader.id();
  const epoch = reader.uint();
  const attempt = reader.uint();
  const delayMs = reader.askedMillis();
  const startedAt = reader.askedMillis();
  const result = reader.bytes();
  const error = (flags & WITH_ERROR) === 0 ? null : reader.error();
  return { type: "outcome", id, epoch, attempt, kind, delayMs, result, error, startedAt };
}

export function writeSettled(writer: Writer, settled: Settled, tables: WriterTables): void {
  const state = TERMINAL_STATES.indexOf(settled.state);
  if (state < 0) throw unwritable(`${String(settled.state)} is not a terminal state`);
  if (!(settled.resultBytes <= MAX_BYTES))
    throw unwritable(`a result of ${settled.resultBytes} bytes is too large`);
  writer.byte(state | (settled.error ? WITH_ERROR : 0) | (settled.result === null ? BY_REFERENCE : 0));
  writer.id(settled.id);
  writer.uint(tables.text(settled.code));
  writer.uint(settled.attempt);
  writer.uint(settled.resultBytes);
  if (settled.result !== null) writer.bytes(settled.result);
  if (settled.error) writer.error(settled.error);
}

export function readSettled(reader: Reader, tables: ReaderTables): Settled {
  const flags = reader.byte();
  const state = TERMINAL_STATES[flags & CHOICE];
  if (state === undefined || flags > (CHOICE | WITH_ERROR | BY_REFERENCE)) {
    reader.fail(`terminal state ${flags} is unknown`);
  }
  const id = reader.id();
  const code = tables.text(reader);
  const attempt = reader.uint();
  const resultBytes = reader.uintUpTo(MAX_BYTES, "a result's size");
  const result = (flags & BY_REFERENCE) === 0 ? reader.bytes() : null;
  const error = (flags & WITH_ERROR) === 0 ? null : reader.error();
  return new KeptSettled({ id, state, code, attempt, result, resultBytes, error });
}

export function writeAnswered(writer: Writer, answered: Answered): void {
  writer.uint(answered.sequence);
}

export function readAnswered(reader: Reader): Answered {
  return { type: "answered", sequence: reader.uint() };
}
