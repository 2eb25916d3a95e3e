import { connect } from "yardmaster";
import { makePreview } from "./tasks.ts";

/*
 * In one terminal:  npx yardmaster start examples/thumbnails/worker.ts
 * In another:       node examples/thumbnails/produce.ts
 */
const yard = await connect(process.env["YARDMASTER_URL"] ?? "sqlite:./yard.db");
const widths = [64, 320, 1280];
const tasks = await Promise.all(
  widths.map((width) =>
    yard.submit(makePreview, { url: "https://example.com/photo.jpg", width }, { priority: 100 }),
  ),
);
for (const task of tasks) {
  const { key, bytes } = await task.result({ timeoutMs: 30_000 });
  console.log(`${key}: ${bytes} bytes`);
}
await yard.close();
