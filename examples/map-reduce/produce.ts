import { resolve } from "node:path";
import { call, chord, connect } from "yardmaster";
import { add, count } from "./tasks.ts";

/*
 * In one terminal:  npx yardmaster start examples/map-reduce/worker.ts
 * In another:       node examples/map-reduce/produce.ts README.md docs/*.md
 */
const files = process.argv.slice(2).map((file) => resolve(file));
const yard = await connect(process.env["YARDMASTER_URL"] ?? "sqlite:./yard.db");
// One count for each file, at the same time on any number of workers; then one sum of their results.
const graph = await yard.submitGraph(
  chord(
    files.map((file) => call(count, { file })),
    add,
  ),
);
const total = Object.entries(await graph.result({ timeoutMs: 60_000 })).sort(([, a], [, b]) => b - a);
for (const [word, number] of total.slice(0, 3)) console.log(`${word}: ${number}`);
await yard.close();
