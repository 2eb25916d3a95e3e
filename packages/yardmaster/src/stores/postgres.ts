import { uuidArray } from "../postgres/arrays.ts";
import type { Row, Value } from "../postgres/driver.ts";
import { isUniqueViolation } from "../postgres/failure.ts";
import type { Yard } from "../postgres/yard.ts";
import type { Change } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { packChanges } from "./postgres-changes.ts";
import { createPostgresReads } from "./postgres-reads.ts";
import type { Lease, Store } from "./store.ts";

const HALF = "STORE_UNAVAILABLE";

export interface PostgresStore extends Store {
  /** Applies a commit with what is to be sent and acknowledged; answers with the server's word on the mailboxes. */
  apply(lease: Lease, sequence: number, changes: readonly Change[], post: readonly Value[]): Promise<string>;
}

/** The store of one engine on a server, whose clock counts. */
export function createPostgresStore(yard: Yard): PostgresStore {
  const run = (name: string, sql: string, values: readonly Value[]): Promise<readonly Row[]> =>
    yard.link.run(HALF, { name, text: yard.sql(sql) }, values);

  const apply: PostgresStore["apply"] = async (lease, sequence, changes, post) => {
    const { shard, owner, epoch } = lease;
    const values = [shard, owner, epoch, sequence, ...packChanges(shard, changes), ...post];
    try {
      const [row] = await run(
        "tick",
        `SELECT @.tick(${values.map((_, index) => `$${index + 1}`).join()})`,
        values,
      );
      const answer = row?.[0] ?? "";
      if (answer.startsWith("!")) throw fenced(lease, sequence, Number(answer.slice(1)));
      return answer;
    } catch (error) {
      throw await explain(run, error, changes);
    }
  };

  let shrunkAt = Number.NEGATIVE_INFINITY;
  /** An owner's housekeeping, now and then; what fails is done another time. */
  const shrink = (): void => {
    const now = yard.host.monotonic();
    if (now - shrunkAt < SHRINK_MS) return;
    shrunkAt = now;
    run("shrink", "SELECT @.shrink()", []).catch(() => undefined);
  };

  return {
    ...createPostgresReads(yard),
    apply,
    commit: async (lease, sequence, changes) => {
      await apply(lease, sequence, changes, NOTHING_TO_SEND);
    },
    acquire: async (shard, owner, ttlMs, options) => {
      const [row] = await run("acquire", ACQUIRE, [shard, owner, ttlMs, options?.replacing ?? null]);
      return row === undefined ? null : { shard, owner, epoch: Number(row[0]) };
    },
    renew: async ({ shard, owner, epoch }, ttlMs) => {
      shrink();
      const rows = await run(
        "renew",
        `UPDATE @.fence SET lease_until = @.now_ms() + $4::bigint
         WHERE shard = $1 AND owner = $2 AND epoch = $3 AND lease_until > @.now_ms() RETURNING 1`,
        [shard, owner, epoch, ttlMs],
      );
      return rows.length > 0;
    },
    release: async ({ shard, owner, epoch }) => {
      await run(
        "release",
        "UPDATE @.fence SET lease_until = 0 WHERE shard = $1 AND owner = $2 AND epoch = $3",
        [shard, owner, epoch],
      );
    },
    holder: async (shard) => {
      const [row] = await run(
        "holder",
        "SELECT owner, epoch, lease_until <= @.now_ms() FROM @.fence WHERE shard = $1",
        [shard],
      );
      if (row === undefined) return null;
      return { owner: row[0] ?? "", epoch: Number(row[1]), expired: row[2] === "t" };
    },
  };
}

function fenced({ shard, epoch }: Lease, sequence: number, last: number): YardmasterError {
  return new YardmasterError(
    "FENCED",
    last < 0
      ? `Epoch ${epoch} does not own shard ${shard} (any more).`
      : `Commit ${sequence} of shard ${shard} came after commit ${last}.`,
  );
}

async function explain(
  run: (name: string, sql: string, values: readonly Value[]) => Promise<readonly Row[]>,
  error: unknown,
  changes: readonly Change[],
): Promise<unknown> {
  if (!(error instanceof Error) || !isUniqueViolation(error.cause)) return error;
  const created = changes.flatMap((change) =>
    change.type === "insert" || change.type === "adopt" ? [change.task.id] : [],
  );
  const rows = await run("exists", "SELECT id FROM @.task WHERE id = ANY ($1)", [uuidArray(created)]);
  if (rows.length === 0) return error;
  const message = `${rows.length} of the records to insert exist already.`;
  return new YardmasterError("CONFLICT", message, {
    cause: error,
    details: { ids: rows.map(([id]) => id ?? "") },
  });
}

/**
 * The epoch is never below the clock, so that it does not come twice where a standby took over that had not heard of
 * the last one.
 */
const ACQUIRE = `
  INSERT INTO @.fence AS f (shard, owner, epoch, lease_until, sequence)
  VALUES ($1, $2, @.now_ms(), @.now_ms() + $3::bigint, 0)
  ON CONFLICT (shard) DO UPDATE
  SET owner = excluded.owner, epoch = greatest(f.epoch + 1, @.now_ms()),
    lease_until = @.now_ms() + $3::bigint, sequence = 0
  WHERE f.lease_until <= @.now_ms() OR f.epoch = $4::bigint
  RETURNING epoch`;

const NOTHING_TO_SEND: readonly Value[] = [null, null, null, null, null, null, null, null];
const SHRINK_MS = 60_000;
