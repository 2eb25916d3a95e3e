import { startDispatcher } from "yardmaster";
import { place, serve } from "./role.ts";

const shards = Number(process.argv[3] ?? "1");
// A soak lives through the end of records too.
const keepIdsMs = Number(process.argv[4] ?? "86400000");
const dispatcher = await startDispatcher({ ...place(), shards, keepIdsMs });
serve({ shards: () => dispatcher.owned().length }, () => dispatcher.close());
