import { oneLine } from "../protocol/quotation.ts";

/** Something that an operator should know. Ids and reasons only, never a payload. */
export interface Alarm {
  readonly code:
    | "FRAME_QUARANTINED"
    | "FRAME_SET_ASIDE"
    /** A signature is missing, wrong or too old: forged, or somebody has another key. */
    | "FRAME_UNTRUSTED"
    | "SHARD_HANDED_OVER"
    | "SHARD_LOST"
    | "SHARD_TAKEN"
    /** A stale write: the store has a later owner of the shard, and took nothing. */
    | "COMMIT_FENCED"
    | "COMMIT_REFUSED"
    | "UNSUPPORTED_VERSION"
    | "ENGINE_UNAVAILABLE"
    /** Submissions wait for room in the store; the rest goes on. */
    | "STORE_FULL"
    /** It takes submissions again. */
    | "STORE_HAS_ROOM";
  readonly shard: number;
  readonly message: string;
}

export type OnAlarm = (alarm: Alarm) => void;

/** What an engine, a frame or a record made the message say, it fits into one line of a log. */
const MAX_MESSAGE_BYTES = 900;

export function alarmOf(code: Alarm["code"], shard: number, message: string): Alarm {
  return { code, shard, message: oneLine(message, MAX_MESSAGE_BYTES) };
}
