import { createHmac, timingSafeEqual } from "node:crypto";
import type { Host } from "../host.ts";
import { checkDelay } from "../protocol/check.ts";
import {
  type Distrust,
  isNewerSeal,
  isSealed,
  NONCE_BYTES,
  type Sealed,
  sealHead,
  unseal,
} from "../protocol/seal.ts";
import { type KeyRing, keyRing, type SigningOptions } from "./keys.ts";

const DAY_MS = 86_400_000;
const CONTEXT = "yardmaster frame 1\n";

/** A frame that is trusted, with the mark that tells it from all others; "" where it is not signed. */
export interface Trusted {
  readonly frame: Buffer;
  readonly mark: string;
}

/**
 * Signs frames and verifies them. The signature covers the frame, which names its sender, shard, epoch and sequence, and
 * the mailbox that it was sent to: in another one it is worth nothing.
 */
export class FrameSigner {
  readonly maxAgeMs: number;
  private readonly ring: KeyRing;
  private readonly acceptUnsigned: boolean;
  private readonly host: Host;

  /** Throws INVALID_OPTIONS. */
  constructor(options: SigningOptions, host: Host) {
    const { maxAgeMs = DAY_MS, acceptUnsigned = false } = options;
    this.ring = keyRing(options, "signing", false);
    checkDelay(maxAgeMs, "security: signing.maxAgeMs");
    this.maxAgeMs = maxAgeMs;
    this.acceptUnsigned = acceptUnsigned === true;
    this.host = host;
  }

  sign(mailbox: string, frame: Uint8Array): Buffer {
    const { keys, current } = this.ring;
    const nonce = Buffer.alloc(NONCE_BYTES);
    for (let at = 0; at < NONCE_BYTES; at += 4) nonce.writeUInt32LE(this.host.random(), at);
    const head = sealHead(current, this.host.now(), nonce);
    return Buffer.concat([head, macOf(keys.get(current), mailbox, head, frame), frame]);
  }

  verify(mailbox: string, bytes: Uint8Array): Trusted | Distrust {
    if (!isSealed(bytes)) return this.acceptUnsigned ? { frame: Buffer.from(bytes), mark: "" } : "unsigned";
    const sealed = unseal(bytes);
    if (sealed === null) return isNewerSeal(bytes) ? "newer" : "malformed";
    const key = this.ring.keys.get(sealed.keyId);
    if (key === undefined) return "unknown-key";
    const head = sealHead(sealed.keyId, sealed.signedAt, sealed.nonce);
    if (!timingSafeEqual(macOf(key, mailbox, head, sealed.frame), sealed.mac)) return "forged";
    return this.isTimely(sealed) ? { frame: sealed.frame, mark: sealed.nonce.latin1Slice() } : "expired";
  }

  /** A clock may be wrong, but not by as long as a frame may take. */
  private isTimely({ signedAt }: Sealed): boolean {
    return Math.abs(this.host.now() - signedAt) <= this.maxAgeMs;
  }
}

function macOf(key: Buffer | undefined, mailbox: string, head: Buffer, frame: Uint8Array): Buffer {
  const name = Buffer.from(mailbox, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return createHmac("sha256", key ?? "")
    .update(CONTEXT)
    .update(length)
    .update(name)
    .update(head)
    .update(frame)
    .digest();
}
