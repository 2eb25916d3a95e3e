import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { TallyKeeper } from "../load.ts";
import { Failing } from "../mix.ts";
import { serve } from "../role.ts";
import type { Desk, Peer, PeerWorker } from "./peer.ts";

/** The process that runs a peer's tasks, from when it is told to `open`. */
const [, , folder = "", file = "", url = "", slots = "1"] = process.argv;
const module: { readonly peer: Peer } = await import(
  pathToFileURL(join(import.meta.dirname, folder, `${file}.ts`)).href
);
const keeper = new TallyKeeper();
const failing = new Failing();
const desk: Desk = {
  handle: (input) => {
    failing.check(input);
    return input.n;
  },
  ended: (n) => keeper.take(n),
};
let worker: PeerWorker | null = null;

serve({ open, tally: () => keeper.tally }, async () => worker?.close());

async function open(): Promise<void> {
  worker = await module.peer.openWorker(url, Number(slots), desk);
}
