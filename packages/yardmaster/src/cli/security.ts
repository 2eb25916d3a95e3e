import { YardmasterError } from "../protocol/errors.ts";
import type { Keys, SecurityOptions } from "../security/keys.ts";

/** Keys by id, as `id:base64`, separated by commas. In the environment, as arguments can be read by everybody. */
const SIGNING = "YARDMASTER_SIGNING_KEYS";
const ENCRYPTION = "YARDMASTER_ENCRYPTION_KEYS";

interface KeyList {
  readonly keys: Keys;
  /** The first one listed. */
  readonly current: string;
  readonly last: string;
}

/** What the environment says of keys; undefined where it says nothing. Throws INVALID_OPTIONS, which quotes no key. */
export function securityOf(environment: NodeJS.ProcessEnv): SecurityOptions | undefined {
  const signing = keysOf(environment, SIGNING);
  const encryption = keysOf(environment, ENCRYPTION);
  if (signing === null && encryption === null) return undefined;
  return {
    ...(signing === null ? {} : { signing: { keys: signing.keys, current: signing.current } }),
    // A new key comes first in the list; the one that stays the longest tells inputs apart.
    ...(encryption === null
      ? {}
      : { encryption: { keys: encryption.keys, current: encryption.current, fingerprint: encryption.last } }),
  };
}

function keysOf(environment: NodeJS.ProcessEnv, variable: string): KeyList | null {
  const text = environment[variable]?.trim() ?? "";
  if (text === "") return null;
  const entries = text.split(",").map((entry, index): [string, string] => {
    const [, id, secret] = /^\s*([^:\s]+):([A-Za-z0-9+/=]+)\s*$/.exec(entry) ?? [];
    if (id !== undefined && secret !== undefined) return [id, secret];
    throw new YardmasterError("INVALID_OPTIONS", `${variable}: entry ${index + 1} is not id:base64.`);
  });
  return {
    keys: Object.fromEntries(entries),
    current: entries[0]?.[0] ?? "",
    last: entries.at(-1)?.[0] ?? "",
  };
}
