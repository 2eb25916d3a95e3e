import { systemHost } from "../src/host.ts";
import { openSqliteEngine } from "../src/sqlite/engine.ts";
import { codeOf } from "../src/testing/conformance.ts";

/** Gives up root's rights, which no permission holds back, opens a file and says which code that failed with. */
const NOBODY = 65_534;
if (process.getuid?.() === 0) process.setuid?.(NOBODY);
const opened = openSqliteEngine(process.argv[2] ?? "", systemHost, { durability: "disk", shards: 1 });
process.stdout.write(await codeOf(opened));
