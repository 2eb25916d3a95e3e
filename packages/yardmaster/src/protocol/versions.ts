import { YardmasterError } from "./errors.ts";

/** The versions of one format: which one this release writes, and the highest that it reads. */
interface Versions {
  readonly written: number;
  readonly read: number;
}

/**
 * A release that brings a new version only reads it, and the release after it writes it. So releases next to each other
 * understand each other both ways, and a yard is upgraded one process after the other, or taken back to the older release.
 */
export const FRAME_VERSIONS: Versions = { written: 1, read: 1 };
export const RECORD_VERSIONS: Versions = { written: 1, read: 1 };
export const SCHEDULE_VERSIONS: Versions = { written: 1, read: 1 };
/** A release that does not know this kind of row leaves it alone. */
export const GHOST_VERSIONS: Versions = { written: 1, read: 1 };

/** Throws UNSUPPORTED_VERSION for a newer version than this release reads. `what` starts the sentence. */
export function checkVersion(version: number, { read }: Versions, what: string): void {
  if (version <= read) return;
  throw new YardmasterError(
    "UNSUPPORTED_VERSION",
    `${what} has version ${version}, and this Yardmaster reads up to ${read}: update it.`,
    { details: { version, supported: read } },
  );
}
