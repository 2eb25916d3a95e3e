import { DatabaseSync } from "node:sqlite";
import { connect } from "../src/index.ts";
import { double } from "./transaction-tasks.ts";

/** A process that submits in a transaction of its own, commits when it is told to, and reports the result. */
export type TransactionNews =
  | { readonly news: "submitted"; readonly id: string }
  | { readonly news: "result"; readonly value: number };

const path = process.argv[2] ?? "";
const yard = await connect(`sqlite:${path}`);
const db = new DatabaseSync(path, { timeout: 5_000 });
db.exec("BEGIN IMMEDIATE");
db.exec("INSERT INTO orders (item) VALUES ('of the child')");
const task = await yard.submit(double, 21, { tx: (sql, params) => db.prepare(sql).run(...params) });
process.send?.({ news: "submitted", id: task.id } satisfies TransactionNews);
process.once("message", async () => {
  db.exec("COMMIT");
  process.send?.({ news: "result", value: await task.result() } satisfies TransactionNews);
  await yard.close();
  db.close();
  process.disconnect();
});
