import type { ByteString } from "../protocol/bytes.ts";
import { decodeGhost, encodeGhost } from "../protocol/ghost.ts";
import { givePlaceBack, takePlace } from "./limits.ts";
import { Attempt, LiveTask, type Worker } from "./live.ts";
import { rowNumbers } from "./row-text.ts";
import type { Shard } from "./shard.ts";

/*
 * A ghost is an attempt that does not count any more and that its worker may still run. Until the worker says that it is
 * gone, it fills its slot, its resources and its places of every limit, under later owners too: its task may be tried
 * again or have ended, so that no record tells of it, and a row of its own does.
 */

/** The kind of side rows that hold ghosts, by token. */
export const GHOST_ROW = "ghost";

export function tokenOf(id: string, epoch: number, attempt: number): string {
  return `${id} ${epoch} ${attempt}`;
}

/** An attempt stays behind as a ghost, with all that it has. To be released after this. */
export function becomeGhost(shard: Shard, worker: Worker, attempt: Attempt): void {
  addGhost(worker, attempt);
  writeGhost(shard, attempt);
}

/** What was not known to run here, or not any more, takes what it would have. */
export function adoptGhost(shard: Shard, worker: Worker, attempt: Attempt): void {
  takeBack(shard, worker, attempt);
  writeGhost(shard, attempt);
}

export function restoreGhost(
  shard: Shard,
  token: string,
  value: ByteString,
  workerOf: (id: string) => Worker,
): void {
  const words = token.split(" ");
  const [epoch = 0, number = 0] = rowNumbers(words.slice(1), 2, `the given up attempt ${token}`);
  const { worker, startedAt, spec, terms } = decodeGhost(value);
  const of = { id: words[0] ?? "", replyTo: "", priority: 0, terms };
  const task = new LiveTask(shard.kindOf(spec), of, null, shard.momentOf(startedAt));
  const attempt = new Attempt(task, number, epoch, worker, startedAt);
  attempt.inherited = true;
  takeBack(shard, workerOf(worker), attempt);
}

export function endGhost(shard: Shard, worker: Worker, attempt: Attempt): void {
  attempt.task.kind.line.queue.ghosts--;
  giveBack(shard, worker, attempt);
  shard.journal.side(GHOST_ROW, tokenOf(attempt.task.id, attempt.epoch, attempt.number), null);
}

/** What an attempt had of its worker and of its limits is free for the next one. */
export function giveBack(shard: Shard, worker: Worker, attempt: Attempt): void {
  worker.resources.giveBack(attempt.task.kind.line.requirement.needs);
  givePlaceBack(shard, attempt);
}

function takeBack(shard: Shard, worker: Worker, attempt: Attempt): void {
  addGhost(worker, attempt);
  worker.resources.take(attempt.task.kind.line.requirement.needs);
  takePlace(shard, attempt);
  shard.roster.loadChanged(worker);
}

function addGhost(worker: Worker, attempt: Attempt): void {
  const token = tokenOf(attempt.task.id, attempt.epoch, attempt.number);
  worker.ghosts.set(token, attempt.frame);
  worker.ghostAttempts.set(token, attempt);
  attempt.isGhost = true;
  attempt.task.kind.line.queue.ghosts++;
}

function writeGhost(shard: Shard, { task, number, epoch, workerId: worker, startedAt }: Attempt): void {
  const text = encodeGhost({ worker, startedAt, spec: task.kind.spec, terms: task.terms });
  shard.journal.side(GHOST_ROW, tokenOf(task.id, epoch, number), text);
}
