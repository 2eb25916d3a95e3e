import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { Host } from "../host.ts";
import { type ByteString, fromBuffer, toBuffer } from "../protocol/bytes.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";
import { MAX_BYTES, type TaskId } from "../protocol/task.ts";
import { type EncryptionOptions, type KeyRing, keyRing } from "./keys.ts";

/** What bytes belong to; they cannot be read as anything else. */
export type Binding =
  | { readonly part: "payload" | "result"; readonly id: TaskId }
  /** The input of a schedule, which no id can be known for: any task of the definition may have it. */
  | { readonly part: "schedule"; readonly name: string };

const MAGIC = "\0YE1";
const PARTS = { payload: "P", result: "R", schedule: "S" } as const;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ID_AT: number = MAGIC.length + 2;
/** More than what stands in front of the bytes. */
const OVERHEAD_BYTES = 256;

/**
 * Encrypts payloads and results between clients and workers; dispatchers, brokers and stores carry what they cannot
 * read. Each is bound to its task and part, so that it is worth nothing in another's place.
 */
export class Vault {
  private readonly ring: KeyRing;
  private readonly fingerprintKey: Buffer;
  private readonly acceptPlain: boolean;
  private readonly host: Host;

  /** Throws INVALID_OPTIONS. */
  constructor(options: EncryptionOptions, host: Host) {
    this.ring = keyRing(options, "encryption", true);
    const { fingerprint = [...this.ring.keys.keys()][0] ?? "", acceptPlain = false } = options;
    this.fingerprintKey =
      keyRing({ ...options, current: fingerprint }, "encryption", true).keys.get(fingerprint) ??
      Buffer.alloc(0);
    this.acceptPlain = acceptPlain === true;
    this.host = host;
  }

  /** Throws PAYLOAD_TOO_LARGE for what would be too large with its key's id and its tag. */
  seal(bytes: ByteString, binding: Binding): ByteString {
    if (bytes.length > MAX_BYTES - OVERHEAD_BYTES)
      throw new YardmasterError("PAYLOAD_TOO_LARGE", `${bytes.length} bytes are too many to be encrypted.`);
    const { keys, current } = this.ring;
    const iv = Buffer.alloc(IV_BYTES);
    for (let at = 0; at < IV_BYTES; at += 4) iv.writeUInt32LE(this.host.random(), at);
    const id = Buffer.from(current, "utf8");
    const head = `${MAGIC}${PARTS[binding.part]}${String.fromCharCode(id.length)}${fromBuffer(id)}`;
    const cipher = createCipheriv("aes-256-gcm", keys.get(current) ?? "", iv);
    cipher.setAAD(associated(head, binding));
    const sealed = Buffer.concat([cipher.update(toBuffer(bytes)), cipher.final()]);
    return head + fromBuffer(iv) + fromBuffer(cipher.getAuthTag()) + fromBuffer(sealed);
  }

  /** Throws PAYLOAD_UNREADABLE: its key is not here, it was made for another task or part, or it was changed. */
  open(bytes: ByteString, binding: Binding): ByteString {
    if (!bytes.startsWith(MAGIC)) {
      if (this.acceptPlain) return bytes;
      throw unreadable(binding, "it is not encrypted, and this process takes encrypted ones only");
    }
    const idEnd = ID_AT + bytes.charCodeAt(ID_AT - 1);
    const tagAt = idEnd + IV_BYTES;
    const bodyAt = tagAt + TAG_BYTES;
    const keyId = toBuffer(bytes.slice(ID_AT, idEnd)).toString("utf8");
    const key = this.ring.keys.get(keyId);
    if (bytes.length < bodyAt) throw unreadable(binding, "it is damaged");
    if (key === undefined) throw unreadable(binding, `its key ${quoted(keyId)} is not here`);
    const decipher = createDecipheriv("aes-256-gcm", key, toBuffer(bytes.slice(idEnd, tagAt)), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(associated(bytes.slice(0, idEnd), binding));
    decipher.setAuthTag(toBuffer(bytes.slice(tagAt, bodyAt)));
    try {
      return fromBuffer(Buffer.concat([decipher.update(toBuffer(bytes.slice(bodyAt))), decipher.final()]));
    } catch {
      throw unreadable(binding, "it was made for another task, with another key of that id, or was changed");
    }
  }

  /** The payload of a task, whoever made it: a client for this task alone, or a schedule. */
  openPayload(bytes: ByteString, id: TaskId, name: string): ByteString {
    const isScheduled = bytes.startsWith(`${MAGIC}${PARTS.schedule}`);
    return this.open(bytes, isScheduled ? { part: "schedule", name } : { part: "payload", id });
  }

  /** Tells the same input from another to who has the key, and says nothing to who has not. */
  fingerprint(hash: ByteString): ByteString {
    return fromBuffer(
      createHmac("sha256", this.fingerprintKey).update("yardmaster input\n").update(toBuffer(hash)).digest(),
    );
  }
}

function associated(head: ByteString, binding: Binding): Buffer {
  const whose = binding.part === "schedule" ? binding.name : binding.id;
  return Buffer.concat([toBuffer(head), Buffer.from(`${binding.part}\n${whose}`, "utf8")]);
}

function unreadable(binding: Binding, why: string): YardmasterError {
  const whose =
    binding.part === "schedule" ? `of a schedule of ${quoted(binding.name)}` : `of task ${binding.id}`;
  return new YardmasterError("PAYLOAD_UNREADABLE", `The ${binding.part} ${whose} cannot be read: ${why}.`);
}
