import pg from "pg";
import { expect, it } from "vitest";
import { connect } from "yardmaster";
import { startPostgres } from "../../../servers/postgres.ts";
import { SETTINGS } from "../src/postgres/link.ts";
import { inSchema } from "../src/postgres/schema.ts";
import { READ_KEYS } from "../src/stores/postgres-reads.ts";
import { serverTests } from "./server-tests.ts";

await serverTests("PostgreSQL's plans", startPostgres, (server) => {
  it("look keys up by all of their columns, made while there were none", async () => {
    const url = server.yardUrl();
    const yard = await connect(url);
    const schema = new URL(url).searchParams.get("yard") ?? "";
    const client = new pg.Client(`postgres://postgres@127.0.0.1:${server.port}/postgres`);
    await client.connect();
    await client.query(SETTINGS);
    await client.query(`PREPARE read_keys (int, text[], text[]) AS ${inSchema(READ_KEYS, schema)}`);
    const { rows } = await client.query("EXPLAIN EXECUTE read_keys (0, '{noop}', '{key}')");
    await client.end();
    await yard.close();
    const plan = rows.map((row) => String(row["QUERY PLAN"])).join("\n");
    expect(plan).toMatch(/Index Cond: \(\(shard = \$1\) AND \(name = v\.name\) AND \(key = v\.key\)\)/);
  });
});
