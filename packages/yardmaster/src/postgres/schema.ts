import { YardmasterError } from "../protocol/errors.ts";
import { type Address, keyOfName } from "./address.ts";
import type { ServerSession } from "./driver.ts";
import { FUNCTIONS } from "./functions.ts";
import { TABLES } from "./tables.ts";
import { TICK } from "./tick.ts";

const MIGRATIONS: readonly string[] = [`${TABLES}${FUNCTIONS}${TICK}`];

/** A statement of ours, for the yard's schema: `@` stands for it. */
export function inSchema(sql: string, yard: string): string {
  return sql.replaceAll("@.", `"${yard}".`);
}

/** Creates the yard's schema or brings it up to date; answers with the yard's number of shards. */
export async function migrate(session: ServerSession, address: Address, shards: number): Promise<number> {
  const before = await versionOf(session, address);
  if (before < MIGRATIONS.length) {
    await session.run("BEGIN");
    try {
      await session.run(`SELECT pg_advisory_xact_lock(${keyOfName(address.yard, "yard", "migrate")})`);
      const version = await versionOf(session, address); // Another process may have been here since the first look.
      if (version < MIGRATIONS.length) await raise(session, address.yard, version, shards);
      await session.run("COMMIT");
    } catch (error) {
      await session.run("ROLLBACK");
      throw error;
    }
  }
  const [row] = await session.run(inSchema("SELECT value FROM @.meta WHERE name = 'shards'", address.yard));
  return Number(row?.[0]);
}

async function raise(session: ServerSession, yard: string, version: number, shards: number): Promise<void> {
  if (!(await hasSchema(session, yard))) await session.run(`CREATE SCHEMA "${yard}"`);
  for (const step of MIGRATIONS.slice(version)) await session.run(inSchema(step, yard));
  await session.run(
    inSchema(
      `INSERT INTO @.meta (name, value) VALUES ('version', ${MIGRATIONS.length}), ('shards', ${shards})
       ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.name = 'version'`,
      yard,
    ),
  );
}

async function hasSchema(session: ServerSession, yard: string): Promise<boolean> {
  return (await session.run(`SELECT 1 FROM pg_namespace WHERE nspname = '${yard}'`)).length > 0;
}

/** 0 where there is nothing yet. Refuses what is somebody else's or from a newer Yardmaster. */
async function versionOf(session: ServerSession, { yard, where }: Address): Promise<number> {
  const tables = await session.run(
    `SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = '${yard}' AND relkind IN ('r', 'p')`,
  );
  if (tables.length === 0) return 0;
  const isOurs = ["meta", "fence", "frame"].every((name) => tables.some(([table]) => table === name));
  if (!isOurs) {
    throw new YardmasterError(
      "STORE_CORRUPT",
      `The schema "${yard}" at ${where} is another program's: name another with ?yard=NAME.`,
    );
  }
  const [row] = await session.run(inSchema("SELECT value FROM @.meta WHERE name = 'version'", yard));
  const version = Number(row?.[0]);
  if (version <= MIGRATIONS.length) return version;
  throw new YardmasterError(
    "UNSUPPORTED_VERSION",
    `The schema "${yard}" at ${where} has version ${version}, and this Yardmaster knows up to ${MIGRATIONS.length}: update it.`,
  );
}
