import { isKey, isName } from "./check.ts";
import { internText } from "./interner.ts";
import { readLinks, writeLinks } from "./links.ts";
import { readPast, writePast } from "./past-attempts.ts";
import { quoted } from "./quotation.ts";
import { Reader } from "./reader.ts";
import { readSpec, writeSpec } from "./spec.ts";
import {
  ADMISSIONS,
  MAX_BYTES,
  MAX_KEY_BYTES,
  MAX_NAME_BYTES,
  MAX_PRIORITY,
  ORDERS,
  PLACEMENTS,
  type QueueRecord,
  type QueueSettings,
  STATES,
  type TaskRecord,
} from "./task.ts";
import { readRate, readTerms, writeRate, writeTerms } from "./terms.ts";
import { checkVersion, RECORD_VERSIONS } from "./versions.ts";
import { unwritable, Writer } from "./writer.ts";

const MAGIC = 0x59;
const MAGIC_TASK = 0x52;
const MAGIC_QUEUE = 0x51;

// Which optional fields follow.
const CANCEL_REQUESTED = 1;
const REPEATS = 2;
const WITH_ERROR = 4;
const ALIAS = 8;
const WITH_TERMS = 16;
const LINKED = 32;
const WITH_PAST = 64;
const SKIPPED = 128;
const TASK_FLAGS = 255;
const PAUSED = 1;
const WITH_SETTINGS = 2;
const QUEUE_FLAGS = 3;

const writer = new Writer();

/** A task's record as stores keep it, without payload and result. */
export function encodeRecord(task: TaskRecord): Buffer {
  return writeRecord(task).toBuffer();
}

/** The same without a copy: what the writer holds until the next record is written. Hot. */
export function writeRecord(task: TaskRecord): Writer {
  begin(MAGIC_TASK);
  writer.id(task.id);
  writer.choice(STATES, task.state, "state");
  writer.byte(
    (task.cancelRequested ? CANCEL_REQUESTED : 0) |
      (task.retryOf === "" ? 0 : REPEATS) |
      (task.error ? WITH_ERROR : 0) |
      (task.aliasOf === "" ? 0 : ALIAS) |
      (task.terms ? WITH_TERMS : 0) |
      (task.links ? LINKED : 0) |
      (task.skipped ? SKIPPED : 0) |
      (task.past ? WITH_PAST : 0),
  );
  writeSpec(writer, task.spec);
  writeNumbers(task);
  writer.text(task.worker, MAX_KEY_BYTES);
  writer.text(task.replyTo, MAX_KEY_BYTES);
  if (task.key !== "" && !isKey(task.key)) throw unwritable("an idempotency key holds control characters");
  writer.text(task.key, MAX_KEY_BYTES);
  writer.text(task.code, MAX_KEY_BYTES);
  if (task.retryOf !== "") writer.id(task.retryOf);
  if (task.error) writer.error(task.error);
  if (task.aliasOf !== "") writer.id(task.aliasOf);
  if (task.terms) writeTerms(writer, task.terms);
  if (task.past) writePast(writer, task.past);
  if (task.links) writeLinks(writer, task.links);
  if (task.skipped) writer.uint(task.skipped);
  return writer;
}

/** @throws UNSUPPORTED_VERSION for a record of a newer version, INVALID_FRAME for what is not one. */
export function decodeRecord(bytes: Uint8Array): TaskRecord {
  const reader = new Reader(bytes);
  checkStart(reader, MAGIC_TASK, "task");
  const id = reader.id();
  const state = reader.choice(STATES, "state");
  const flags = reader.byte();
  if (flags > TASK_FLAGS) reader.fail(`flags ${flags} of a record are unknown`);
  const spec = readSpec(reader);
  const numbers = readNumbers(reader);
  const worker = internText(reader.text(MAX_KEY_BYTES));
  const replyTo = internText(reader.text(MAX_KEY_BYTES));
  const key = reader.text(MAX_KEY_BYTES);
  if (key !== "" && !isKey(key)) reader.fail("an idempotency key holds control characters");
  const code = internText(reader.text(MAX_KEY_BYTES));
  const retryOf = (flags & REPEATS) === 0 ? "" : reader.id();
  const error = (flags & WITH_ERROR) === 0 ? null : reader.error();
  const aliasOf = (flags & ALIAS) === 0 ? "" : reader.id();
  const terms = (flags & WITH_TERMS) === 0 ? null : readTerms(reader);
  const past = (flags & WITH_PAST) === 0 ? {} : { past: readPast(reader) };
  const links = (flags & LINKED) === 0 ? {} : { links: readLinks(reader) };
  const skipped = (flags & SKIPPED) === 0 ? {} : { skipped: reader.uint() };
  reader.finish("a record");
  const {
    priority,
    attempt,
    epoch,
    deaths,
    runAt,
    expiresAt,
    submittedAt,
    startedAt,
    finishedAt,
    payloadBytes,
  } = numbers;
  return {
    id,
    spec,
    state,
    priority,
    attempt,
    epoch,
    deaths,
    runAt,
    expiresAt,
    submittedAt,
    startedAt,
    finishedAt,
    worker,
    replyTo,
    retryOf,
    key,
    cancelRequested: (flags & CANCEL_REQUESTED) !== 0,
    code,
    error,
    aliasOf,
    payloadBytes,
    terms,
    ...past,
    ...links,
    ...skipped,
  };
}

export function encodeQueue(queue: QueueRecord): Buffer {
  begin(MAGIC_QUEUE);
  if (!isName(queue.name)) throw unwritable(`${quoted(queue.name)} is not a name`);
  writer.text(queue.name, MAX_NAME_BYTES);
  writer.choice(ORDERS, queue.order, "order");
  writer.choice(PLACEMENTS, queue.placement, "placement");
  writer.byte((queue.paused ? PAUSED : 0) | (queue.settings ? WITH_SETTINGS : 0));
  writer.uint(queue.revision);
  if (queue.settings) writeSettings(queue.settings);
  return writer.toBuffer();
}

/** @throws UNSUPPORTED_VERSION for a record of a newer version, INVALID_FRAME for what is not one. */
export function decodeQueue(bytes: Uint8Array): QueueRecord {
  const reader = new Reader(bytes);
  checkStart(reader, MAGIC_QUEUE, "queue");
  const name = reader.text(MAX_NAME_BYTES);
  if (!isName(name)) reader.fail("a name is empty or holds control characters");
  const order = reader.choice(ORDERS, "order");
  const placement = reader.choice(PLACEMENTS, "placement");
  const flags = reader.byte();
  if (flags > QUEUE_FLAGS) reader.fail(`flags ${flags} of a queue are unknown`);
  const revision = reader.uint();
  const settings = (flags & WITH_SETTINGS) === 0 ? {} : { settings: readSettings(reader) };
  reader.finish("a queue");
  return { name, order, placement, paused: (flags & PAUSED) !== 0, revision, ...settings };
}

function writeSettings(settings: QueueSettings): void {
  writer.uint(settings.weight);
  writer.uint(settings.precedence);
  writer.uint(settings.agingMs);
  writer.uint(settings.concurrency);
  writeRate(writer, settings.rate);
  writer.choice(ADMISSIONS, settings.admission, "admission");
}

function readSettings(reader: Reader): QueueSettings {
  const weight = reader.uint();
  const precedence = reader.uint();
  const agingMs = reader.uint();
  const concurrency = reader.uint();
  const rate = readRate(reader);
  if (weight === 0 || agingMs === 0) reader.fail("a queue's weight or aging is 0");
  return Object.freeze({
    weight,
    precedence,
    agingMs,
    concurrency,
    rate,
    admission: reader.choice(ADMISSIONS, "admission"),
  });
}

function writeNumbers(task: TaskRecord): void {
  if (!(task.priority <= MAX_PRIORITY)) throw unwritable(`priority ${task.priority} is too large`);
  if (!(task.payloadBytes <= MAX_BYTES))
    throw unwritable(`a payload of ${task.payloadBytes} bytes is too large`);
  writer.uint(task.priority);
  writer.uint(task.attempt);
  writer.uint(task.epoch);
  writer.uint(task.deaths);
  writer.millis(task.runAt);
  writer.millis(task.expiresAt);
  writer.millis(task.submittedAt);
  writer.millis(task.startedAt);
  writer.millis(task.finishedAt);
  writer.uint(task.payloadBytes);
}

type Numbers = Pick<
  TaskRecord,
  | "priority"
  | "attempt"
  | "epoch"
  | "deaths"
  | "runAt"
  | "expiresAt"
  | "submittedAt"
  | "startedAt"
  | "finishedAt"
  | "payloadBytes"
>;

function readNumbers(reader: Reader): Numbers {
  return {
    priority: reader.uintUpTo(MAX_PRIORITY, "priority"),
    attempt: reader.uint(),
    epoch: reader.uint(),
    deaths: reader.uint(),
    runAt: reader.uint(),
    expiresAt: reader.uint(),
    submittedAt: reader.uint(),
    startedAt: reader.uint(),
    finishedAt: reader.uint(),
    payloadBytes: reader.uintUpTo(MAX_BYTES, "a payload's size"),
  };
}

function begin(kind: number): void {
  writer.clear();
  writer.byte(MAGIC);
  writer.byte(kind);
  writer.byte(RECORD_VERSIONS.written);
}

function checkStart(reader: Reader, kind: number, what: string): void {
  if (reader.byte() !== MAGIC || reader.byte() !== kind)
    reader.fail(`it does not start as the record of a ${what}`);
  const version = reader.byte();
  if (version === 0) reader.fail("version 0 does not exist");
  checkVersion(version, RECORD_VERSIONS, `The record of a ${what}`);
}
