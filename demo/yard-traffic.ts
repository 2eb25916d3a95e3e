import { setTimeout as pass } from "node:timers/promises";
import { call, chord, type Yard } from "yardmaster";
import { count, encode, queues, resize, send, store, sum, translate } from "./yard-work.ts";

const ROUND_MS = 500;
const FILES = ["north.csv", "east.csv", "south.csv", "west.csv"];

/** Submits what a small company does, now more and now less, until it is stopped. */
export class YardTraffic {
  readonly #yard: Yard;
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;

  private constructor(yard: Yard) {
    this.#yard = yard;
    this.#done = this.#goOn();
  }

  static async start(yard: Yard): Promise<YardTraffic> {
    await yard.apply([...queues]);
    await yard.schedule("digest", send, { to: "digest@example.com" }, { everyMs: 15_000 });
    await yard.schedule("nightly-archive", store, "today.tar", {
      cron: "0 3 * * *",
      timeZone: "Europe/Berlin",
    });
    await yard.pause("archive");
    await yard.submit(store, "yesterday.tar");
    await yard.submit(translate, "nobody here can");
    return new YardTraffic(yard);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#done;
  }

  async #goOn(): Promise<void> {
    const { signal } = this.#ending;
    for (let round = 0; !signal.aborted; round++) {
      await this.#submit(round);
      await pass(ROUND_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #submit(round: number): Promise<void> {
    const busy = 1 + Math.round(2 * (1 + Math.sin(round / 12)));
    for (let one = 0; one < busy; one++) {
      const url = `https://example.com/${round}-${one}.png`;
      await this.#yard.submit(resize, { url, width: 320 }, { priority: one * 20 });
      await this.#yard.submit(send, { to: `${one === 3 ? "slow" : "user"}-${round}@example.com` });
    }
    if (round % 20 === 5) await this.#yard.submit(send, { to: `gone-${round}@example.com` });
    if (round % 60 === 2) await this.#yard.submit(encode, { film: `film-${round}.mkv` });
    if (round % 40 === 8)
      await this.#yard.submitGraph(
        chord(
          FILES.map((file) => call(count, { file })),
          sum,
        ),
      );
  }
}
