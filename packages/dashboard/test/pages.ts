import type { Page } from "playwright-core";

/** Each page with what shows that it is there. */
const PAGES: readonly (readonly [path: string, ready: string])[] = [
  ["/", ".stuck canvas, canvas"],
  ["/queues", ".card"],
  ["/tasks", ".tasks"],
  ["/tasks?state=ended", ".tasks"],
  ["/graphs", ".panel"],
  ["/workers", ".card"],
  ["/schedules?schedule=digest", ".ticks"],
  ["/shards", "tbody tr"],
  ["/policy", ".lab img"],
];
/** Ids of a task that failed and of a graph, once there are such. */
export interface Ids {
  readonly failed: () => string;
  readonly graph: () => string;
}

export function allPages(ids: Ids): readonly (readonly [path: string, ready: string])[] {
  return [
    ...PAGES,
    [`/tasks/${ids.failed()}`, ".story"],
    [`/graphs/${ids.graph()}`, ".graph"],
    ["/tasks/01900000-0000-7000-8000-000000000000", ".empty"],
  ];
}

/** Within the page, as a link does. */
export async function goTo(page: Page, path: string, ready: string): Promise<void> {
  await page.evaluate(
    `history.pushState(null, "", ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent("popstate"))`,
  );
  await page.locator(ready).first().waitFor();
}
