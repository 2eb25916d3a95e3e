import { YardmasterError } from "../protocol/errors.ts";
import type { Address } from "./address.ts";
import type { ServerSession } from "./driver.ts";

/** What the server says of itself. */
export interface ServerFacts {
  readonly version: string;
  readonly durability: string;
  readonly warnings: readonly string[];
}

const OLDEST = 130_000;

/** Refuses a server that is too old, or one that takes no writes for the time being. */
export async function readServer(
  session: Pick<ServerSession, "run">,
  { where }: Pick<Address, "where">,
): Promise<ServerFacts> {
  const [row = []] = await session.run(
    `SELECT current_setting('server_version_num'), current_setting('server_version'), pg_is_in_recovery(),
       current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('synchronous_standby_names')`,
  );
  const [number, version = "", isStandby, synchronousCommit = "", fsync, fullPageWrites, standbys] = row;
  if (Number(number) < OLDEST) {
    throw new YardmasterError(
      "ENGINE_DENIED",
      `PostgreSQL at ${where} is version ${version}; Yardmaster needs 13 or newer.`,
    );
  }
  if (isStandby === "t") {
    throw new YardmasterError(
      "STORE_UNAVAILABLE",
      `PostgreSQL at ${where} is a standby and takes no writes.`,
    );
  }
  return {
    version: (version ?? "").split(" ")[0] ?? "",
    ...durabilityOf(synchronousCommit ?? "", fsync === "on", fullPageWrites === "on", standbys ?? ""),
  };
}

function durabilityOf(
  synchronousCommit: string,
  fsync: boolean,
  fullPageWrites: boolean,
  standbys: string,
): Pick<ServerFacts, "durability" | "warnings"> {
  const warnings: string[] = [];
  if (!fsync) warnings.push("fsync is off: a power cut may destroy the database. Turn it on.");
  if (!fullPageWrites) {
    warnings.push(
      "full_page_writes is off: a power cut may damage pages. Turn it on, unless the disk writes whole pages.",
    );
  }
  if (synchronousCommit === "off") {
    warnings.push(
      "synchronous_commit is off: a crash loses what was confirmed last. Turn it on for this user.",
    );
  }
  return { durability: sentence(synchronousCommit, fsync, standbys), warnings };
}

function sentence(synchronousCommit: string, fsync: boolean, standbys: string): string {
  if (!fsync) return "What is confirmed survives a crash of PostgreSQL, not a power cut (fsync=off).";
  if (synchronousCommit === "off") {
    return "What was confirmed within the last second may be lost in a crash (synchronous_commit=off).";
  }
  if (standbys === "" || synchronousCommit === "local") {
    return `What is confirmed survives a power cut; a standby that takes over may lack the last of it (synchronous_commit=${synchronousCommit}).`;
  }
  return `What is confirmed survives a power cut and the loss of the primary (synchronous_commit=${synchronousCommit}, synchronous_standby_names=${standbys}).`;
}
