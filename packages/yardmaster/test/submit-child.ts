import { defineTask } from "../src/definition.ts";
import { connect } from "../src/yard.ts";

/** Submits one task with a payload that a trace shows, and writes when that is acknowledged. */
const marked = defineTask<string, string>({ name: "marked" });
const yard = await connect(process.argv[2] ?? "");
const { id } = await yard.submit(marked, process.argv[3] ?? "");
process.stdout.write(`acknowledged ${id}\n`);
await yard.close();
