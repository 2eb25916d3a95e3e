import { YardmasterError } from "../protocol/errors.ts";
import type { Epoch, Millis } from "../protocol/task.ts";
import { int, type Statement, text } from "../sqlite/driver.ts";
import type { Session } from "../sqlite/session.ts";
import type { Lease } from "./store.ts";

/** The fence rows. A row is never deleted, so that an epoch never comes twice. Every call is one statement. */
export class Fence {
  readonly #acquire: Statement;
  readonly #renew: Statement;
  readonly #release: Statement;
  readonly #holder: Statement;
  readonly #advance: Statement;
  readonly #sequence: Statement;

  constructor(session: Session) {
    this.#acquire = session.prepare(
      `INSERT INTO fence (shard, owner, epoch, lease_until, sequence) VALUES (?, ?, 1, ?, 0)
       ON CONFLICT (shard) DO UPDATE
       SET owner = excluded.owner, epoch = epoch + 1, lease_until = excluded.lease_until, sequence = 0
       WHERE lease_until <= ? OR epoch = ?
       RETURNING epoch`,
    );
    this.#renew = session.prepare(
      "UPDATE fence SET lease_until = ? WHERE shard = ? AND owner = ? AND epoch = ? AND lease_until > ?",
    );
    this.#release = session.prepare(
      "UPDATE fence SET lease_until = 0 WHERE shard = ? AND owner = ? AND epoch = ?",
    );
    this.#holder = session.prepare("SELECT owner, epoch, lease_until FROM fence WHERE shard = ?");
    this.#advance = session.prepare(
      `UPDATE fence SET sequence = ?
       WHERE shard = ? AND owner = ? AND epoch = ? AND sequence = ? AND lease_until > 0`,
    );
    this.#sequence = session.prepare(
      "SELECT sequence FROM fence WHERE shard = ? AND owner = ? AND epoch = ? AND lease_until > 0",
    );
  }

  acquire(shard: number, owner: string, ttlMs: number, now: Millis, replacing: Epoch | null): Lease | null {
    const row = this.#acquire.get(shard, owner, now + ttlMs, now, replacing);
    return row === undefined ? null : { shard, owner, epoch: int(row["epoch"]) };
  }

  renew({ shard, owner, epoch }: Lease, ttlMs: number, now: Millis): boolean {
    return Number(this.#renew.run(now + ttlMs, shard, owner, epoch, now).changes) > 0;
  }

  release({ shard, owner, epoch }: Lease): void {
    this.#release.run(shard, owner, epoch);
  }

  holder(shard: number, now: Millis): { owner: string; epoch: Epoch; expired: boolean } | null {
    const row = this.#holder.get(shard);
    if (row === undefined) return null;
    return { owner: text(row["owner"]), epoch: int(row["epoch"]), expired: int(row["lease_until"]) <= now };
  }

  /** Makes this the last commit; false when it was so before. Throws FENCED. */
  advance({ shard, owner, epoch }: Lease, sequence: number): boolean {
    if (Number(this.#advance.run(sequence, shard, owner, epoch, sequence - 1).changes) > 0) return true;
    const last = this.#sequence.get(shard, owner, epoch)?.["sequence"];
    if (last === sequence) return false;
    throw new YardmasterError(
      "FENCED",
      last === undefined
        ? `Epoch ${epoch} does not own shard ${shard} (any more).`
        : `Commit ${sequence} of shard ${shard} came after commit ${last}.`,
    );
  }
}
