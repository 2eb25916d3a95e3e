import type { Peer } from "../peer.ts";
import { openProducer, openWorker } from "./peer.ts";

const AT_ONCE = 24;

export const peer: Peer = {
  settings: `addJobs for backlogs, ${AT_ONCE} jobs at once, else as it comes: jobs are fetched and completed one by one`,
  openProducer,
  openWorker: (url, _slots, desk) => openWorker(url, desk, { concurrentJobs: AT_ONCE }),
};
