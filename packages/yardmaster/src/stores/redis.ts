import type { Change, StoredItem, StoredTask } from "../protocol/change.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Epoch } from "../protocol/task.ts";
import { idOf } from "../redis/keys.ts";
import { type PackedMail, Packer } from "../redis/packer.ts";
import { buffersIn, corrupt, listOf, textOf, wholeOf } from "../redis/replies.ts";
import {
  ACQUIRE,
  COMMIT,
  CONFLICT,
  DONE,
  FENCED,
  HOLDER,
  RELEASE,
  RENEW,
  type ReservedScript,
} from "../redis/scripts.ts";
import type { Servers } from "../redis/servers.ts";
import { CHANGE_LISTS, PackedChanges } from "./redis-changes.ts";
import { findTasks } from "./redis-find.ts";
import { RedisReads } from "./redis-reads.ts";
import type { FindFilter, Lease, ReadAnswer, ReadQuery, Store } from "./store.ts";

const HALF = "STORE_UNAVAILABLE";

/** The records of a yard on Redis. Its clock is the server's. */
export class RedisStore implements Store {
  readonly #servers: Servers;
  readonly #shards: number;
  readonly #reads: RedisReads;
  readonly #packer = new Packer();

  constructor(servers: Servers, shards: number) {
    this.#servers = servers;
    this.#shards = shards;
    this.#reads = new RedisReads(servers);
  }

  async acquire(
    shard: number,
    owner: string,
    ttlMs: number,
    options: { readonly replacing?: Epoch } = {},
  ): Promise<Lease | null> {
    const args = [owner, String(ttlMs), String(options.replacing ?? "")];
    const epoch = textOf(await this.#servers.script(HALF, shard, ACQUIRE, this.#fence(shard), args));
    return epoch === "" ? null : { shard, owner, epoch: wholeOf(epoch) };
  }

  async renew({ shard, owner, epoch }: Lease, ttlMs: number): Promise<boolean> {
    const args = [owner, String(epoch), String(ttlMs)];
    return (await this.#servers.script(HALF, shard, RENEW, this.#fence(shard), args)) === 1;
  }

  async release({ shard, owner, epoch }: Lease): Promise<void> {
    await this.#servers.script(HALF, shard, RELEASE, this.#fence(shard), [owner, String(epoch)]);
  }

  async holder(shard: number): Promise<{ owner: string; epoch: Epoch; expired: boolean } | null> {
    const answer = await this.#servers.script(HALF, shard, HOLDER, this.#fence(shard), []);
    const [owner, epoch, expired] = listOf(answer);
    if (owner === undefined) return null;
    return { owner: textOf(owner), epoch: wholeOf(epoch), expired: expired === 1 };
  }

  async commit(lease: Lease, sequence: number, changes: readonly Change[]): Promise<void> {
    await this.commitTick(lease, sequence, changes, NO_MAIL);
  }

  /** One script for all of a tick; the answer is the script's about the mail. */
  async commitTick(
    lease: Lease,
    sequence: number,
    changes: readonly Change[],
    mail: PackedMail,
  ): Promise<unknown> {
    const { shard, owner, epoch } = lease;
    const packed = new PackedChanges(changes);
    this.#packer.clear();
    this.#packer.list(LISTS);
    packed.pack(this.#packer);
    // The script writes to keys that it does not name.
    const guarded = [...this.#fence(shard), this.#servers.keys.missing(shard)];
    mail.pack(this.#packer, guarded.length);
    const keys = [...guarded, ...mail.keys];
    const args = [owner, String(epoch), String(sequence), this.#packer.toBuffer(), ...mail.frames];
    const whenFull = whenFullFor(changes, mail);
    const [code, ...rest] = await this.#servers.reserved(HALF, shard, COMMIT, whenFull, keys, args);
    switch (code) {
      case DONE:
        return rest[0];
      case FENCED:
        throw fenced(lease, sequence, textOf(rest[0]));
      case CONFLICT:
        throw conflict(shard, rest);
      default:
        throw corrupt("a commit's script answers something else");
    }
  }

  load(shard: number): AsyncIterable<StoredItem[]> {
    return this.#reads.load(shard);
  }

  parked(shard: number, limit: number): Promise<StoredTask[]> {
    return this.#reads.parked(shard, limit);
  }

  read(query: ReadQuery): Promise<ReadAnswer> {
    return this.#reads.read(query);
  }

  find(filter: FindFilter): ReturnType<Store["find"]> {
    return findTasks(this.#servers, this.#shards, filter);
  }

  #fence(shard: number): string[] {
    return [this.#servers.keys.key(shard, "fence")];
  }
}

/** A row is what an owner remembers beside tasks: little, and written with many a sweep. */
function whenFullFor(changes: readonly Change[], { frames }: PackedMail): keyof ReservedScript {
  if (frames.length === 0 && changes.every(({ type }) => type === "sweep" || type === "row"))
    return "freeing";
  return changes.some(({ type }) => type === "insert" || type === "adopt") ? "accepting" : "ending";
}

function fenced({ shard, epoch }: Lease, sequence: number, last: string): YardmasterError {
  return new YardmasterError(
    "FENCED",
    last === ""
      ? `Epoch ${epoch} does not own shard ${shard} (any more).`
      : `Commit ${sequence} of shard ${shard} came after commit ${last}.`,
  );
}

function conflict(shard: number, fields: readonly unknown[]): YardmasterError {
  const ids = buffersIn(fields).flatMap((field) => (field === null ? [] : [idOf(field, shard)]));
  const message = `${ids.length} of the records to insert exist already.`;
  return new YardmasterError("CONFLICT", message, { details: { ids } });
}

const NO_MAIL: PackedMail = {
  keys: [],
  frames: [],
  pack: (packer) => {
    packer.list(0);
    packer.list(0);
  },
};
/** Of changes; sends, and acknowledgements. */
const LISTS = CHANGE_LISTS + 2;
