import { viewOf } from "../protocol/bytes.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { translate } from "../redis/failure.ts";
import { laneShard } from "../redis/keys.ts";
import { type PackedMail, Packer } from "../redis/packer.ts";
import { RedisPresence } from "../redis/presence.ts";
import { Reader } from "../redis/reader.ts";
import { pairsOf, textOf, textsIn } from "../redis/replies.ts";
import { DECLARE, REGISTER, type ReservedScript, SEND } from "../redis/scripts.ts";
import type { Servers } from "../redis/servers.ts";
import type { Broker, Delivery, Receiver, Send, SendOutcome } from "./broker.ts";
import { RedisReceiver, type StreamStart } from "./redis-receiver.ts";

const HALF = "BROKER_UNAVAILABLE";

/** The mailboxes of a yard on Redis: streams that are read by one receiver and deleted entry by entry. */
export class RedisBroker implements Broker {
  readonly presence: RedisPresence;
  readonly partOf?: NonNullable<Broker["partOf"]>;
  readonly #servers: Servers;
  readonly #shards: number;
  readonly #receivers = new Set<RedisReceiver>();
  /** By shard on a Cluster, where a read keeps to one tag; otherwise one for all, under 0. */
  readonly #readers = new Map<number, Promise<Reader>>();
  readonly #opened: Reader[] = [];
  readonly #packer = new Packer();
  #isClosed = false;

  constructor(servers: Servers, shards: number) {
    this.#servers = servers;
    this.#shards = shards;
    this.presence = new RedisPresence(servers);
    if (servers.isCluster) {
      this.partOf = ({ mailbox, tag }) =>
        tag === undefined ? (laneShard(mailbox) ?? 0) : shardOfTag({ tag });
    }
  }

  async declare(mailbox: string): Promise<void> {
    const { keys } = this.#servers;
    // First its name, so that no stream is there that nobody can list.
    await this.#servers.script(HALF, 0, REGISTER, [keys.key(0, "mailboxes")], [mailbox]);
    await Promise.all(
      this.#shardsOf(mailbox).map((shard) =>
        this.#servers.script(
          HALF,
          shard,
          DECLARE,
          [keys.stream(shard, mailbox), keys.key(shard, "births")],
          [],
        ),
      ),
    );
  }

  async remove(mailbox: string): Promise<void> {
    const { keys } = this.#servers;
    await Promise.all(
      this.#shardsOf(mailbox).map((shard) =>
        this.#servers.call(HALF, shard, ["DEL", keys.stream(shard, mailbox)]),
      ),
    );
    await this.#servers.call(HALF, 0, ["ZREM", keys.key(0, "mailboxes"), mailbox]);
  }

  async send(sends: readonly Send[], acks: readonly Delivery[] = []): Promise<SendOutcome[]> {
    const [first] = sends;
    if (first === undefined && acks.length === 0) return [];
    // Redis refuses it by itself when it is full, and one command costs least.
    if (first !== undefined && sends.length === 1 && acks.length === 0 && isSubmission(first))
      return [await this.#add(first)];
    if (!this.#servers.isCluster) return outcomesOf(sends, await this.#post(0, sends, acks));
    return await this.#sendByTag(sends, acks);
  }

  async receive(mailbox: string): Promise<Receiver> {
    const starts = await Promise.all(
      this.#shardsOf(mailbox).map(async (shard): Promise<StreamStart> => {
        const key = this.#servers.keys.stream(shard, mailbox);
        return {
          shard,
          key,
          oldUpTo: await this.#lastIdOf(shard, key, mailbox),
          reader: await this.#readerOf(shard),
        };
      }),
    );
    if (this.#isClosed) throw new YardmasterError("CLOSED", "The engine was closed.");
    const receiver: RedisReceiver = new RedisReceiver(mailbox, starts, () =>
      this.#receivers.delete(receiver),
    );
    this.#receivers.add(receiver);
    return receiver;
  }

  publish(mailbox: string, frame: Uint8Array): void {
    this.#add({ mailbox, frame }).catch(() => undefined);
  }

  async depth(mailbox: string): Promise<number> {
    const depths = await Promise.all(
      this.#shardsOf(mailbox).map((shard) =>
        this.#servers.call(HALF, shard, ["XLEN", this.#servers.keys.stream(shard, mailbox)]),
      ),
    );
    return depths.reduce<number>((sum, depth) => sum + Number(depth), 0);
  }

  async mailboxes(prefix: string): Promise<string[]> {
    const key = this.#servers.keys.key(0, "mailboxes");
    const start = Buffer.from(`[${prefix}`);
    const range = prefix === "" ? ["-", "+"] : [start, Buffer.concat([start, Buffer.of(255)])];
    return textsIn(await this.#servers.call(HALF, 0, ["ZRANGEBYLEX", key, ...range]));
  }

  /** Those of a tick's sends and acknowledgements that belong to the shard's own script, and the others. */
  split(
    shard: number,
    sends: readonly Send[],
    acks: readonly Delivery[],
  ): [own: PackedMail, sends: Send[], acks: Delivery[]] {
    if (!this.#servers.isCluster) return [this.#packed(shard, sends, acks), [], []];
    const isOwn = ({ mailbox }: Send): boolean => (laneShard(mailbox) ?? shard) === shard;
    const isOwnAck = (ack: Delivery): boolean => shardOfTag(ack) === shard;
    const own = this.#packed(shard, sends.filter(isOwn), acks.filter(isOwnAck));
    return [own, sends.filter((send) => !isOwn(send)), acks.filter((ack) => !isOwnAck(ack))];
  }

  /** What it is in trouble for, beside the connection for commands. */
  get trouble(): string | null {
    return this.#opened.find(({ trouble }) => trouble !== null)?.trouble ?? null;
  }

  close(): void {
    this.#isClosed = true;
    this.presence.close();
    for (const receiver of this.#receivers) receiver.end();
    for (const reader of this.#opened) reader.close();
  }

  /** The mailbox of a lane is in its shard's tag; that of a process has a stream in each. */
  #shardsOf(mailbox: string): readonly number[] {
    const lane = laneShard(mailbox);
    return lane === null ? Array.from({ length: this.#shards }, (_, shard) => shard) : [lane];
  }

  async #add({ mailbox, frame }: Send): Promise<SendOutcome> {
    const shard = laneShard(mailbox) ?? 0;
    const key = this.#servers.keys.stream(shard, mailbox);
    const args = ["XADD", key, "NOMKSTREAM", "*", "f", viewOf(frame)];
    return (await this.#servers.call(HALF, shard, args)) === null ? "gone" : "confirmed";
  }

  /** One script for each tag; with more than one, nothing is acknowledged before all is sent. */
  async #sendByTag(sends: readonly Send[], acks: readonly Delivery[]): Promise<SendOutcome[]> {
    const tags = new Set([...sends.map(({ mailbox }) => laneShard(mailbox) ?? 0), ...acks.map(shardOfTag)]);
    const together = tags.size === 1;
    const outcomes: SendOutcome[] = [];
    await Promise.all(
      [...tags].map(async (shard) => {
        const indices = sends.flatMap(({ mailbox }, index) =>
          (laneShard(mailbox) ?? 0) === shard ? [index] : [],
        );
        const own = sends.filter(({ mailbox }) => (laneShard(mailbox) ?? 0) === shard);
        if (own.length === 0 && !together) return;
        const answered = outcomesOf(own, await this.#post(shard, own, together ? acks : []));
        for (const [at, index] of indices.entries()) outcomes[index] = answered[at] ?? "gone";
      }),
    );
    if (!together) {
      await Promise.all(
        [...tags].map(async (shard) => {
          const own = acks.filter((ack) => shardOfTag(ack) === shard);
          if (own.length > 0) await this.#post(shard, [], own);
        }),
      );
    }
    return outcomes;
  }

  async #post(shard: number, sends: readonly Send[], acks: readonly Delivery[]): Promise<unknown> {
    const mail = this.#packed(0, sends, acks);
    this.#packer.clear();
    this.#packer.list(2);
    mail.pack(this.#packer, 0);
    const args = [this.#packer.toBuffer(), ...mail.frames];
    const whenFull = whenFullFor(sends, acks);
    const answer = await this.#servers.reserved(HALF, shard, SEND, whenFull, mail.keys, args);
    return answer[1];
  }

  /** `home` is the tag for processes' mailboxes. */
  #packed(home: number, sends: readonly Send[], acks: readonly Delivery[]): PackedMail {
    const keys: string[] = [];
    const numbers = new Map<string, number>();
    const numberOf = (shard: number, mailbox: string): number => {
      const key = this.#servers.keys.stream(shard, mailbox);
      const known = numbers.get(key);
      if (known !== undefined) return known;
      numbers.set(key, keys.push(key));
      return keys.length;
    };
    const sent = sends.map(({ mailbox }) => numberOf(laneShard(mailbox) ?? home, mailbox));
    const acked = new Map<number, string[]>();
    for (const ack of acks) {
      const number = numberOf(shardOfTag(ack), ack.mailbox);
      const ids = acked.get(number);
      if (ids === undefined) acked.set(number, [idOfTag(ack)]);
      else ids.push(idOfTag(ack));
    }
    const frames = sends.map(({ frame }) => viewOf(frame));
    return { keys, frames, pack: (packer, before) => packMail(packer, before, sent, acked) };
  }

  async #lastIdOf(shard: number, key: string, mailbox: string): Promise<string> {
    try {
      const info = await this.#servers.call(HALF, shard, ["XINFO", "STREAM", key]);
      return textOf(pairsOf(info).get("last-generated-id"));
    } catch (error) {
      if (!(error instanceof YardmasterError) || !/no such key/.test(error.message)) throw error;
      throw new YardmasterError(HALF, `There is no mailbox ${mailbox}: declare it first.`, { cause: error });
    }
  }

  #readerOf(shard: number): Promise<Reader> {
    const place = this.#servers.isCluster ? shard : 0;
    const known = this.#readers.get(place);
    if (known !== undefined) return known;
    const opening = this.#openReader(place);
    this.#readers.set(place, opening);
    opening.catch(() => this.#readers.delete(place));
    return opening;
  }

  async #openReader(shard: number): Promise<Reader> {
    const reader = new Reader(this.#servers, shard);
    try {
      await reader.open();
    } catch (error) {
      throw translate(error, HALF, this.#servers.address.shown);
    }
    if (this.#isClosed) reader.close();
    this.#opened.push(reader);
    return reader;
  }
}

export function outcomesOf(sends: readonly Send[], gone: unknown): SendOutcome[] {
  const marks = textOf(gone);
  return sends.map((_, index) => (marks[index] === "0" ? "gone" : "confirmed"));
}

function packMail(
  packer: Packer,
  before: number,
  sent: readonly number[],
  acked: ReadonlyMap<number, readonly string[]>,
): void {
  packer.list(sent.length);
  for (const number of sent) packer.text(String(before + number));
  packer.list(acked.size);
  for (const [number, ids] of acked) {
    packer.list(ids.length + 1);
    packer.text(String(before + number));
    for (const id of ids) packer.text(id);
  }
}

function isSubmission({ mailbox }: Send): boolean {
  return mailbox.endsWith(SUBMIT);
}

/** A client's submissions are refused, all or none: the reserve is for what ends tasks, and what owners send. */
function whenFullFor(sends: readonly Send[], acks: readonly Delivery[]): keyof ReservedScript {
  if (sends.length === 0) return "freeing";
  const isClient = acks.every(({ mailbox }) => laneShard(mailbox) === null);
  return isClient && sends.every(isSubmission) ? "plain" : "ending";
}

/** A delivery's tag is "shard id": in whose tag the stream is, and the entry. */
function shardOfTag({ tag }: Pick<Delivery, "tag">): number {
  return Number.parseInt(String(tag), 10);
}

function idOfTag({ tag }: Delivery): string {
  const text = String(tag);
  return text.slice(text.indexOf(" ") + 1);
}

const SUBMIT = ":submit";
