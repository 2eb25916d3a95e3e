import { toBuffer } from "../protocol/bytes.ts";
import type { Change, KeyRecord } from "../protocol/change.ts";
import { encodeQueue } from "../protocol/record.ts";
import type { Millis } from "../protocol/task.ts";
import type { Statement } from "../sqlite/driver.ts";
import type { Session } from "../sqlite/session.ts";

/** What a commit changes beside tasks: tombstones, keys, queues, the kernel's own rows, and what goes because its time is over. */
export class SideRows {
  readonly #tombstone: Statement;
  readonly #key: Statement;
  readonly #queue: Statement;
  readonly #put: Statement;
  readonly #drop: Statement;
  readonly #overTasks: Statement;
  readonly #dropBytes: Statement;
  readonly #dropTasks: Statement;
  readonly #sweepTombstones: Statement;
  readonly #sweepKeys: Statement;

  constructor(session: Session) {
    const prepare = (sql: string): Statement => session.prepare(sql);
    this.#tombstone = prepare("INSERT OR REPLACE INTO tombstone (id, shard, keep) VALUES (?, ?, ?)");
    this.#key = prepare(
      "INSERT OR REPLACE INTO key (shard, name, key, id, hash, keep) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#queue = prepare("INSERT OR REPLACE INTO queue (shard, name, record) VALUES (?, ?, ?)");
    this.#put = prepare("INSERT OR REPLACE INTO side (shard, kind, key, value) VALUES (?, ?, ?, ?)");
    this.#drop = prepare("DELETE FROM side WHERE shard = ? AND kind = ? AND key = ?");
    this.#overTasks = prepare(
      "SELECT id FROM task WHERE keep IS NOT NULL AND keep < ? ORDER BY keep LIMIT ?",
    );
    this.#dropBytes = prepare("DELETE FROM bytes WHERE id IN (SELECT value FROM json_each(?))");
    this.#dropTasks = prepare("DELETE FROM task WHERE id IN (SELECT value FROM json_each(?))");
    this.#sweepTombstones = prepare(
      "DELETE FROM tombstone WHERE id IN (SELECT id FROM tombstone WHERE keep < ? ORDER BY keep LIMIT ?)",
    );
    this.#sweepKeys = prepare(
      `DELETE FROM key WHERE (shard, name, key) IN
        (SELECT shard, name, key FROM key WHERE keep < ? ORDER BY keep LIMIT ?)`,
    );
  }

  write(shard: number, changes: readonly Change[]): void {
    for (const change of changes) {
      switch (change.type) {
        case "tombstone":
          this.#tombstone.run(change.id, shard, change.keepUntil);
          break;
        case "key":
          this.#putKey(shard, change.key);
          break;
        case "queue":
          this.#queue.run(shard, change.queue.name, encodeQueue(change.queue));
          break;
        case "row":
          if (change.value === null) this.#drop.run(shard, change.kind, change.key);
          else this.#put.run(shard, change.kind, change.key, toBuffer(change.value));
          break;
        case "sweep":
          this.#sweep(change.before, change.limit);
          break;
        case "insert":
        case "update":
        case "finish":
        case "adopt":
          break; // The rows of tasks.
      }
    }
  }

  #putKey(shard: number, { name, key, id, inputHash, expiresAt }: KeyRecord): void {
    this.#key.run(shard, name, key, id, toBuffer(inputHash), expiresAt);
  }

  #sweep(before: Millis, limit: number): void {
    const ids = this.#overTasks.all(before, limit).map(({ id }) => id);
    if (ids.length > 0) {
      this.#dropBytes.run(JSON.stringify(ids));
      this.#dropTasks.run(JSON.stringify(ids));
    }
    const tombstones = Number(this.#sweepTombstones.run(before, limit - ids.length).changes);
    this.#sweepKeys.run(before, limit - ids.length - tombstones);
  }
}
