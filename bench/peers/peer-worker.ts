import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "../role.ts";
import type { Peer } from "./peer.ts";

/** The process that runs a peer's tasks. */
const [, , name = "", url = "", slots = "1"] = process.argv;
const module: { readonly peer: Peer } = await import(
  pathToFileURL(join(import.meta.dirname, name, "peer.ts")).href
);
const worker = await module.peer.openWorker(url, Number(slots));

serve({ ended: () => worker.ended }, () => worker.close());
