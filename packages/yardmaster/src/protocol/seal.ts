import { viewOf } from "./bytes.ts";
import { YardmasterError } from "./errors.ts";
import { quoted } from "./quotation.ts";

/**
 * What stands in front of a signed frame: `Y`, `S`, a version, the key's id with its length, the time in 8 bytes, a nonce,
 * and the signature. The frame itself follows, and stays as it is.
 */
const SEAL_MAGIC: readonly [number, number] = [0x59, 0x53];
/** What stands in place of a frame that was refused: `Y`, `X`, why, and then the frame. */
const REFUSED_MAGIC: readonly [number, number] = [0x59, 0x58];

/** Why a frame is not trusted. A reason's index is its number. */
const DISTRUSTS = ["unsigned", "forged", "expired", "replayed", "unknown-key", "malformed", "newer"] as const;
export type Distrust = (typeof DISTRUSTS)[number];

const SEAL_VERSION = 1;
export const NONCE_BYTES = 12;
const MAC_BYTES = 32;
const TIME_BYTES = 8;
const FIXED_BYTES = 4;

/** The parts of a signed frame. */
export interface Sealed {
  readonly keyId: string;
  /** When it was signed, by the sender's clock. */
  readonly signedAt: number;
  readonly nonce: Buffer;
  readonly mac: Buffer;
  readonly frame: Buffer;
}

export function isSealed(bytes: Uint8Array): boolean {
  return bytes[0] === SEAL_MAGIC[0] && bytes[1] === SEAL_MAGIC[1];
}

/** Whether it is signed in a way that a later version has. */
export function isNewerSeal(bytes: Uint8Array): boolean {
  return isSealed(bytes) && (bytes[2] ?? 0) > SEAL_VERSION;
}

/** Null for what claims to be signed and is not whole, or is of a newer version. */
export function unseal(bytes: Uint8Array): Sealed | null {
  const buffer = viewOf(bytes);
  const idBytes = buffer[3] ?? 0;
  const timeAt = FIXED_BYTES + idBytes;
  const nonceAt = timeAt + TIME_BYTES;
  const macAt = nonceAt + NONCE_BYTES;
  const frameAt = macAt + MAC_BYTES;
  if (!isSealed(bytes) || buffer[2] !== SEAL_VERSION || buffer.length < frameAt) return null;
  return {
    keyId: buffer.toString("utf8", FIXED_BYTES, timeAt),
    signedAt: buffer.readDoubleBE(timeAt),
    nonce: buffer.subarray(nonceAt, macAt),
    mac: buffer.subarray(macAt, frameAt),
    frame: buffer.subarray(frameAt),
  };
}

/** The bytes in front of the signature. */
export function sealHead(keyId: string, signedAt: number, nonce: Uint8Array): Buffer {
  const id = Buffer.from(keyId, "utf8");
  const time = Buffer.alloc(TIME_BYTES);
  time.writeDoubleBE(signedAt);
  return Buffer.concat([Buffer.from([...SEAL_MAGIC, SEAL_VERSION, id.length]), id, time, nonce]);
}

/** A refused frame as its reader gets it: reading it throws. */
export function refusedFrame(why: Distrust, frame: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([...REFUSED_MAGIC, DISTRUSTS.indexOf(why)]), frame]);
}

/**
 * Throws where the bytes are no plain frame: FRAME_UNTRUSTED for one that was refused, KEY_MISSING for a signed one that
 * nobody here has the key of. `senderOf` reads who sent it, as it claims.
 */
export function checkTrusted(bytes: Uint8Array, senderOf: (frame: Uint8Array) => string): void {
  if (bytes[0] !== SEAL_MAGIC[0]) return;
  if (bytes[1] === SEAL_MAGIC[1]) throw distrusted("unknown-key", unseal(bytes), "", senderOf);
  if (bytes[1] !== REFUSED_MAGIC[1]) return;
  const why = DISTRUSTS[bytes[2] ?? -1] ?? "malformed";
  const rest = bytes.subarray(3);
  throw distrusted(why, isSealed(rest) ? unseal(rest) : null, senderIn(rest, senderOf), senderOf);
}

const SENTENCES: Readonly<Record<Distrust, string>> = {
  unsigned: "it is not signed, and this process takes signed frames only",
  forged:
    "its signature is wrong: the sender has another key of that id, or the frame was made for another mailbox",
  expired: "it was signed too long ago, or in the future",
  replayed: "the same frame was taken before",
  "unknown-key": "it is signed with a key that this process does not have",
  malformed: "what should be its signature is damaged",
  newer: "it is signed as a later version does, which this process does not know: update it",
};

function distrusted(
  why: Distrust,
  sealed: Sealed | null,
  plainSender: string,
  senderOf: (frame: Uint8Array) => string,
): YardmasterError {
  const from = sealed === null ? plainSender : senderIn(sealed.frame, senderOf);
  const key = sealed === null ? "" : ` Key ${quoted(sealed.keyId)}.`;
  return new YardmasterError(
    why === "newer" ? "UNSUPPORTED_VERSION" : why === "unknown-key" ? "KEY_MISSING" : "FRAME_UNTRUSTED",
    `A frame that claims to be from ${quoted(from)} is refused: ${SENTENCES[why]}.${key}`,
    { details: { why, from } },
  );
}

function senderIn(frame: Uint8Array, senderOf: (frame: Uint8Array) => string): string {
  try {
    return senderOf(frame);
  } catch {
    return "";
  }
}
