import pg from "pg";
import { startPostgres } from "../../servers/postgres.ts";
import { BATCH, PAYLOAD, type RawEngine } from "./limit.ts";

/** One connection of pg to a PostgreSQL with its default synchronous_commit, which is on. */
export async function postgresLimits(): Promise<RawEngine> {
  const server = await startPostgres();
  const client = new pg.Client(`postgres://postgres@127.0.0.1:${server.port}/postgres`);
  await client.connect();
  await client.query("CREATE TABLE task (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text)");
  const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
  const payloads = Array.from({ length: BATCH }, () => PAYLOAD);
  const insert = async (values: readonly string[]): Promise<number> => {
    const text = "INSERT INTO task (payload) SELECT unnest($1::text[])";
    await client.query({ name: "insert", text, values: [values] });
    return values.length;
  };
  return {
    name: `PostgreSQL ${rows[0]?.server_version.split(" ")[0] ?? ""} (synchronous_commit on, one connection)`,
    measures: [
      {
        name: "SELECT 1, one at a time",
        isRoundTrip: true,
        run: async () => (await client.query({ name: "one", text: "SELECT 1" })).rows.length,
      },
      { name: "single commits", isRoundTrip: true, run: () => insert([PAYLOAD]) },
      { name: `rows by unnest, ${BATCH} a statement`, run: () => insert(payloads) },
    ],
    close: async () => {
      await client.end();
      await server.stop();
    },
  };
}
