import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { Scene } from "./scene.ts";

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
const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
/** An audit of a page takes seconds where the machine is busy. */
const AUDIT_MS = 300_000;
/** Of the first paint: how long that takes is a matter of the machine. */
const MAX_FILES = 8;
const MAX_BYTES = 200 * 1024;
const PHONE = { width: 390, height: 844 };

/** What holds for every page. `failed` and `graph` are ids of a task and a graph. */
export function pagesTests(
  scene: Scene,
  ids: { readonly failed: () => string; readonly graph: () => string },
): void {
  const all = (): (readonly [string, string])[] => [
    ...PAGES,
    [`/tasks/${ids.failed()}`, ".story"],
    [`/graphs/${ids.graph()}`, ".graph"],
    ["/tasks/01900000-0000-7000-8000-000000000000", ".empty"],
  ];

  it.each(["light", "dark"] as const)(
    "has no flaw that the accessibility audit finds, in %s",
    { timeout: AUDIT_MS },
    async (colors) => {
      const page = await scene.visit("/", { colors });
      for (const [path, ready] of all()) {
        await goTo(page, path, ready);
        expect(await flawsOf(page), path).toEqual([]);
      }
      await goTo(page, "/queues", ".card");
      await page
        .getByRole("button", { name: /^Change settings/ })
        .first()
        .click();
      await page.getByRole("dialog").waitFor();
      expect(await flawsOf(page), "a form").toEqual([]);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.locator(".sign-in-card").waitFor();
      expect(await flawsOf(page), "sign in").toEqual([]);
    },
  );

  it("fits a phone", async () => {
    const page = await scene.visit("/", PHONE);
    for (const [path, ready] of all()) {
      await goTo(page, path, ready);
      const over = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(over, path).toBeLessThanOrEqual(0);
    }
  });

  describe("from the first moment", () => {
    it("paints of few files, and shifts nothing", async () => {
      const page = await scene.visit("/");
      await page.locator("canvas").waitFor();
      const { files, bytes, shift } = (await page.evaluate(FIRST_PAINT)) as Record<string, number>;
      expect(files).toBeLessThanOrEqual(MAX_FILES);
      expect(bytes).toBeLessThan(MAX_BYTES);
      expect(shift).toBeLessThan(0.1);
    });

    it("is reached by the keyboard alone", async () => {
      const page = await scene.visit("/queues");
      await page.locator(".card").first().waitFor();
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("Skip to the content");
      for (let step = 0; step < 4; step++) await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Tasks", level: 1 }).waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type(ids.failed());
      await page.keyboard.press("Enter");
      await page.locator(".failure").waitFor();
      expect(new URL(page.url()).pathname).toBe(`/tasks/${ids.failed()}`);
      await page.goBack();
      await page.getByRole("heading", { name: "Tasks", level: 1 }).waitFor();
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
  });
}

/** What was fetched, but for answers, before the first paint with content in it, and how far things have moved since. */
const FIRST_PAINT = `new Promise((resolve) => {
  let shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity;
  const before = performance.getEntriesByType("resource").filter(({ name, startTime }) => startTime < paint && !new URL(name).pathname.startsWith("/api/"));
  const bytes = before.reduce((sum, { transferSize }) => sum + transferSize, 0);
  requestAnimationFrame(() => requestAnimationFrame(() => resolve({ files: before.length, bytes, shift })));
})`;

/** Within the page, as a link does. */
async function goTo(page: Page, path: string, ready: string): Promise<void> {
  await page.evaluate(
    `history.pushState(null, "", ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent("popstate"))`,
  );
  await page.locator(ready).first().waitFor();
}

async function flawsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(STANDARDS).analyze();
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html} ${node.failureSummary ?? ""}`),
  );
}

function focused(page: Page): Promise<string> {
  return page.evaluate("document.activeElement?.textContent.trim()") as Promise<string>;
}
