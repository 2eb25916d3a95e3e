import { type ByteString, encodeText, fromBuffer, toBuffer } from "../protocol/bytes.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { decodeJson, encodeJson, type JsonFault } from "./json.ts";
import type { OptionCheck } from "./options.ts";

/** Turns values into bytes and back in place of strict JSON: for both sides of a definition. May throw. */
export interface Codec {
  /** A string stands for its UTF-8 bytes. */
  encode(value: unknown): Uint8Array | string;
  /** The value that `encode` was given; what it throws fails the task without retry. */
  decode(bytes: Uint8Array): unknown;
}

interface Coded {
  readonly codec: Codec | undefined;
}

export function codecOf(codec: Codec | undefined, check: OptionCheck): Codec | undefined {
  if (codec === undefined) return undefined;
  const isCodec = typeof codec?.encode === "function" && typeof codec.decode === "function";
  return isCodec ? codec : check.refuse("codec", "an object with encode and decode", codec);
}

/** A definition's value as bytes. Throws `fault` when it cannot be carried. */
export function encodeValue({ codec }: Coded, value: unknown, fault: JsonFault): ByteString {
  if (codec === undefined) return encodeJson(value, fault);
  try {
    const coded = codec.encode(value);
    return typeof coded === "string" ? encodeText(coded) : fromBuffer(coded);
  } catch (error) {
    throw new YardmasterError(fault, `The codec could not encode the value (${nameOf(error)}).`, {
      cause: error,
    });
  }
}

/** The value of bytes that `encodeValue` made. Throws `fault` when they are none. */
export function decodeValue({ codec }: Coded, bytes: ByteString, fault: JsonFault): unknown {
  if (codec === undefined) return decodeJson(bytes, fault);
  try {
    return codec.decode(toBuffer(bytes));
  } catch (error) {
    throw new YardmasterError(fault, `The codec could not decode the bytes (${nameOf(error)}).`, {
      cause: error,
    });
  }
}

/** What a codec says of bytes may quote them: that stays in `cause`, in this process. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
