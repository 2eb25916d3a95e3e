import { connect } from "yardmaster";
import { crawl } from "./tasks.ts";

/*
 * In one terminal:  npx yardmaster start examples/crawl/worker.ts
 * In another:       node examples/crawl/produce.ts https://example.com
 */
const url = new URL(process.argv[2] ?? "https://example.com/").href;
const yard = await connect(process.env["YARDMASTER_URL"] ?? "sqlite:./yard.db");
const first = await yard.submit(crawl, { url }, { idempotencyKey: url });
const { links } = await first.result({ timeoutMs: 30_000 });
console.log(`${url} has ${links} links; see the rest with: npx yardmaster top`);
await yard.close();
