import { optionCheck } from "../definition/options.ts";
import { isName } from "../protocol/check.ts";
import { YardmasterError } from "../protocol/errors.ts";

/** Secrets by their ids: 32 random bytes or more each, as bytes or in base 64. */
export type Keys = Readonly<Record<string, Uint8Array | string>>;

/** Frames carry an HMAC-SHA-256, and those without a good one are refused. */
export interface SigningOptions {
  /** All that are taken. Give a new key to every process before one signs with it. */
  readonly keys: Keys;
  /** The id of the key that this process signs with. */
  readonly current: string;
  /** How long a frame may be on its way; default 24 hours, as long as dispatchers keep ids at least. */
  readonly maxAgeMs?: number;
  /** Takes unsigned frames too, while a yard is changed to signing; default false. */
  readonly acceptUnsigned?: boolean;
}

/** Payloads and results are encrypted between clients and workers with AES-256-GCM. */
export interface EncryptionOptions {
  /** 32 bytes each. Keep a key for as long as anything is kept that it encrypted. */
  readonly keys: Keys;
  readonly current: string;
  /** The id of the key that fingerprints the inputs of idempotent tasks; default the first of `keys`. */
  readonly fingerprint?: string;
  /** Takes what is not encrypted too, while a yard is changed to encryption; default false. */
  readonly acceptPlain?: boolean;
}

/** What a process trusts and hides. Both are off by default and then cost nothing. */
export interface SecurityOptions {
  readonly signing?: SigningOptions;
  readonly encryption?: EncryptionOptions;
}

export interface KeyRing {
  readonly keys: ReadonlyMap<string, Buffer>;
  readonly current: string;
}

const KEY_BYTES = 32;
const MAX_ID_BYTES = 64;

/** Throws INVALID_OPTIONS, which quotes no key. `exact`: a key has no more bytes either. */
export function keyRing(
  options: { readonly keys: Keys; readonly current: string },
  field: string,
  exact: boolean,
): KeyRing {
  const check = optionCheck("security");
  if (typeof options !== "object" || options === null)
    check.refuse(field, "an object with keys and current", typeof options);
  const { keys, current } = options;
  if (typeof keys !== "object" || keys === null)
    check.refuse(`${field}.keys`, "secrets by their ids", typeof keys);
  const ring = new Map<string, Buffer>();
  for (const [id, secret] of Object.entries(keys)) {
    if (!isName(id) || Buffer.byteLength(id) > MAX_ID_BYTES)
      check.refuse(`${field}.keys`, `named by 1 to ${MAX_ID_BYTES} bytes without control characters`, id);
    ring.set(id, secretOf(secret, `${field}.keys`, exact));
  }
  if (!ring.has(current)) check.refuse(`${field}.current`, "the id of one of the keys", current);
  return { keys: ring, current };
}

function secretOf(secret: unknown, field: string, exact: boolean): Buffer {
  const bytes = typeof secret === "string" ? Buffer.from(secret, "base64") : secret;
  const isLong =
    bytes instanceof Uint8Array && bytes.length >= KEY_BYTES && (!exact || bytes.length === KEY_BYTES);
  if (isLong) return Buffer.from(bytes);
  throw new YardmasterError(
    "INVALID_OPTIONS",
    `security: each of ${field} must be ${exact ? "" : "at least "}${KEY_BYTES} bytes, or their base 64 (openssl rand -base64 32).`,
    { details: { field } },
  );
}
