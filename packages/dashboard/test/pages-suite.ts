import { expect, it } from "vitest";
import { allPages, type Ids } from "./pages.ts";
import type { Scene } from "./scene.ts";

/** Of the first paint: how long that takes is a matter of the machine. */
const MAX_FILES = 8;
const MAX_BYTES = 200 * 1024;

/** What holds for every page from the first moment. */
export function pagesTests(scene: Scene, ids: Ids): void {
  it("paints of few files", async () => {
    const page = await scene.visit("/");
    await page.locator("canvas").waitFor();
    const { files, bytes } = (await page.evaluate(FIRST_PAINT)) as Record<string, number>;
    expect(files).toBeLessThanOrEqual(MAX_FILES);
    expect(bytes).toBeLessThan(MAX_BYTES);
  });

  it("moves next to nothing that is there already, on any page", async () => {
    const shifts: Record<string, unknown> = {};
    for (const [path, ready] of allPages(ids)) {
      const page = await scene.visit(path);
      await page.locator(ready).first().waitFor();
      const { moved } = (await page.evaluate(FIRST_PAINT)) as { moved: { value: number }[] };
      if (moved.reduce((sum, { value }) => sum + value, 0) > MOST_SHIFT) shifts[path] = moved;
      await scene.leave();
    }
    expect(shifts).toEqual({});
  });

  it("keeps the colours that were chosen", async () => {
    const page = await scene.visit("/shards");
    await page.getByRole("button", { name: /^Colours/ }).click();
    await page.getByRole("button", { name: /^Colours: light/ }).click();
    await page.getByRole("button", { name: /^Colours: dark/ }).waitFor();
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
    await page.reload();
    await page.getByRole("button", { name: /^Colours: dark/ }).waitFor();
  });
}

/** Half of what counts as good: the pager of a list moves down with its rows, and the mark of how fresh it is grows. */
const MOST_SHIFT = 0.05;

/** What was fetched, but for answers, before the first paint with content in it, and what has moved since. */
const FIRST_PAINT = `new Promise((resolve) => {
  const moved = [];
  new PerformanceObserver((list) => {
    for (const { hadRecentInput, value, sources } of list.getEntries())
      if (!hadRecentInput) moved.push({ value, what: sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? "gone") });
  }).observe({ type: "layout-shift", buffered: true });
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity;
  const before = performance.getEntriesByType("resource").filter(({ name, startTime }) => startTime < paint && !new URL(name).pathname.startsWith("/api/"));
  const bytes = before.reduce((sum, { transferSize }) => sum + transferSize, 0);
  requestAnimationFrame(() => requestAnimationFrame(() => resolve({ files: before.length, bytes, moved })));
})`;
