import type { Desk, Peer } from "../peer.ts";
import type { Boss } from "./peer.ts";
import { NAME, open, openProducer } from "./peer.ts";

const BATCH = 2_000;

export const peer: Peer = {
  settings: `insert for backlogs; a loop of our own that fetches ${BATCH} and completes them in one call, without work()`,
  openProducer,
  openWorker: async (url, _slots, desk) => {
    const boss = await open(url);
    const loop = { isClosed: false };
    const running = drain(boss, desk, loop);
    return {
      close: async () => {
        loop.isClosed = true;
        await running;
        await boss.stop({ graceful: false });
      },
    };
  },
};

async function drain(boss: Boss, desk: Desk, loop: { readonly isClosed: boolean }): Promise<void> {
  while (!loop.isClosed) {
    const jobs = (await boss.fetch(NAME, { batchSize: BATCH })) ?? [];
    if (jobs.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    else {
      for (const { data } of jobs) desk.handle(data);
      await boss.complete(
        NAME,
        jobs.map(({ id }) => id),
      );
      for (const { data } of jobs) desk.ended(data.n);
    }
  }
}
