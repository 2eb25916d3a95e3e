import type { Reader } from "./reader.ts";
import { MAX_KEY_BYTES, type PastAttempt } from "./task.ts";
import type { Writer } from "./writer.ts";

/** So many of a task's attempts are kept beside its last one; the oldest are forgotten first. */
const MAX_PAST = 16;
/** What is kept of an attempt's error. */
const MAX_MESSAGE_LENGTH = 200;
/** As UTF-8. */
const MAX_MESSAGE_BYTES: number = 3 * MAX_MESSAGE_LENGTH;

/** The attempts with one more behind them. */
export function withPast(past: readonly PastAttempt[], attempt: PastAttempt): readonly PastAttempt[] {
  const message = attempt.message.slice(0, MAX_MESSAGE_LENGTH);
  return [...past.slice(1 - MAX_PAST), { ...attempt, message }];
}

export function writePast(writer: Writer, past: readonly PastAttempt[]): void {
  writer.uint(past.length);
  for (const { attempt, worker, startedAt, endedAt, resumesAt, code, message } of past) {
    writer.uint(attempt);
    writer.text(worker, MAX_KEY_BYTES);
    writer.millis(startedAt);
    writer.millis(endedAt);
    writer.millis(resumesAt);
    writer.text(code, MAX_KEY_BYTES);
    writer.text(message, MAX_MESSAGE_BYTES);
  }
}

export function readPast(reader: Reader): readonly PastAttempt[] {
  return Array.from({ length: reader.uintUpTo(MAX_PAST, "a number of attempts") }, () => ({
    attempt: reader.uint(),
    worker: reader.text(MAX_KEY_BYTES),
    startedAt: reader.uint(),
    endedAt: reader.uint(),
    resumesAt: reader.uint(),
    code: reader.text(MAX_KEY_BYTES),
    message: reader.text(MAX_MESSAGE_BYTES),
  }));
}
