import { defineQueue, defineTask, type QueueDefinition, type TaskDefinition } from "yardmaster";

/** At most 50 pages at a time in all. */
export const pages: QueueDefinition = defineQueue({ name: "pages", concurrency: 50 });

export interface Page {
  readonly url: string;
}

/** Of each host at most two pages at a time, and at most ten a second: nobody is overrun. */
export const crawl: TaskDefinition<Page, { readonly links: number }> = defineTask<
  Page,
  { readonly links: number }
>({
  name: "page.crawl",
  queue: pages,
  concurrency: { limit: 2, key: ({ url }) => new URL(url).host },
  rate: { limit: 10, perMs: 1_000, burst: 10, key: ({ url }) => new URL(url).host },
  attempts: 4,
  timeoutMs: 15_000,
});
