import { expect, it } from "vitest";
import type { Scene } from "./scene.ts";
import { encode, resize, send } from "./stage.ts";

const PATIENCE = { timeout: 20_000 };
const CHARTS = 12;

/** What the pages of single tasks and graphs say of them. */
export function taskDetailTests(scene: Scene): void {
  const { stage } = scene;
  const { yard } = stage;

  it("tells a task's story chapter by chapter, and each attempt with what became of it", async () => {
    const { id } = await yard.submit(send, { to: "slow-1@example.com" });
    await yard.get(id).result();
    const page = await scene.visit(`/tasks/${id}`);
    const story = page.getByRole("region", { name: "Story" });
    await story.getByText("succeeded", { exact: true }).waitFor();
    const chapters = await story.locator(".story-head b").allTextContents();
    expect(chapters.filter((one) => one.startsWith("running"))).toEqual([
      "running, attempt 1",
      "running, attempt 2",
      "running, attempt 3",
    ]);
    expect(chapters.at(-1)).toBe("succeeded");
    const attempts = page.getByRole("region", { name: "Attempts" }).locator("tbody tr");
    expect(await attempts.count()).toBe(3);
    for (const row of [0, 1])
      expect(await attempts.nth(row).textContent()).toMatch(/failed, goes on.*said: try again/);
    expect(await attempts.nth(2).textContent()).toContain("succeeded");
  });

  it("shows the exact time of what it says in words", async () => {
    const { id } = await yard.submit(resize, { url: "now", width: 1 });
    await yard.get(id).result();
    const submittedAt = (await yard.status(id))?.submittedAt;
    const page = await scene.visit(`/tasks/${id}`);
    const time = page.getByRole("region", { name: "Task" }).locator("time").first();
    expect(await time.getAttribute("datetime")).toBe(submittedAt);
    expect(await time.getAttribute("title")).toMatch(/\d\d:\d\d:\d\d\.\d{3} UTC/);
    expect(await time.textContent()).toMatch(/^(now|\d+ [smh] ago)$/);
  });

  it("cuts values that are longer than anybody reads, and stays within the window", async () => {
    const { id } = await yard.submit(resize, { url: "x".repeat(70 * 1_024), width: 1 });
    await yard.get(id).result();
    const many = await yard.submit(resize, { url: "y", width: 1, list: range(5_000) } as never);
    await many.result();
    const page = await scene.visit(`/tasks/${id}`);
    await page.getByText("It is longer: the first 64 KiB are shown.").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    await page.getByRole("region", { name: "Story" }).getByText("succeeded", { exact: true }).waitFor();
    await page.goto(`${stage.server.url}/tasks/${many.id}`);
    await page.getByText("and 4900 more").waitFor();
  });

  it("draws a task's graph on its page, and a graph's tasks as they change", async () => {
    await yard.pause("nightly");
    const graph = await stage.submitReport(3);
    const page = await scene.visit(`/graphs/${graph.id}`);
    await page.locator(".graph").getByRole("link", { name: "report.sum, blocked" }).waitFor(PATIENCE);
    await yard.resume("nightly");
    const drawn = page.locator(".graph").getByRole("link", { name: "report.sum, succeeded" });
    await drawn.waitFor(PATIENCE);
    await page.getByText("4 of 4 tasks have ended").waitFor();
    expect(await page.locator(".graph .edge.done").count()).toBe(3);
    await drawn.click();
    const panel = page.getByRole("region", { name: "Graph", exact: true });
    await panel.getByText("one of 4 tasks").waitFor();
    expect(await panel.locator("a.node").count()).toBe(4);
    expect(await panel.locator("a.node.current").getAttribute("aria-label")).toBe("report.sum, succeeded");
    await panel.getByRole("link", { name: "Open" }).click();
    await page.waitForURL((url) => url.pathname === `/graphs/${graph.id}`);
  });
}

/** What the pages of the whole yard say of its parts. */
export function yardDetailTests(scene: Scene): void {
  const { yard } = scene.stage;

  it("shows when a worker was heard, and what it runs", async () => {
    const { id } = await yard.submit(encode, { film: "signals.mkv" });
    await expect.poll(async () => (await yard.status(id))?.state, PATIENCE).toBe("running");
    const worker = (await yard.status(id))?.worker;
    const page = await scene.visit("/workers");
    const card = page.getByRole("article", { name: `Worker ${worker}` });
    await card.getByRole("link", { name: "video.encode" }).waitFor(PATIENCE);
    await card.getByText(/heard (now|\d+ s ago)/).waitFor();
    expect(await card.getByRole("link", { name: "video.encode" }).getAttribute("href")).toBe(`/tasks/${id}`);
    await yard.cancel(id);
    await card.getByText("Runs nothing.").waitFor(PATIENCE);
  });

  it("lists what a schedule has made", async () => {
    await yard.schedule("often", send, { to: "often@example.com" }, { everyMs: 1_000 });
    const page = await scene.visit("/schedules?schedule=often");
    const past = page.locator(".ticks section").filter({ hasText: "Ended of late" }).locator("li");
    await past.filter({ hasText: "succeeded" }).first().waitFor(PATIENCE);
    await past.getByRole("link").first().click();
    await page.getByRole("heading", { name: "mail.send" }).waitFor();
    await yard.schedules.remove("often");
  });

  it("shows depth and waits of each queue, and percentiles of waits, runs and the whole", async () => {
    const page = await scene.visit("/");
    const row = page.getByRole("region", { name: "Queues" }).getByRole("row", { name: /^media/ });
    await yard.pause("media");
    for (const width of [1, 2, 3]) await yard.submit(resize, { url: "deep", width });
    const depth = row.locator(".depth-figure");
    await expect.poll(() => depth.textContent(), PATIENCE).toBe("0 + 3");
    await row.getByText("paused").waitFor();
    await yard.resume("media");
    await expect.poll(() => depth.textContent(), PATIENCE).toBe("0 + 0");
    await expect.poll(() => row.locator("td").last().textContent(), PATIENCE).toMatch(/^[\d.]+ m?s$/);
    for (const name of ["Wait", "Run", "End to end"])
      await page.getByRole("img", { name: new RegExp(`^${name}: p50 [\\d.]+ m?s`) }).waitFor(PATIENCE);
  });

  it("finds tasks by their name from anywhere", async () => {
    const page = await scene.visit("/shards");
    await page.getByRole("heading", { name: "Shards", level: 1 }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("image.resize");
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname === "/tasks" && url.search === "?name=image.resize");
    await page
      .getByRole("row", { name: /image\.resize.*scheduled/ })
      .first()
      .waitFor();
  });

  it("shows each queue's policy, and every picture of the laboratory", async () => {
    const page = await scene.visit("/policy");
    const here = page.getByRole("region", { name: "In this yard" });
    expect(await here.getByRole("row", { name: /^mail/ }).textContent()).toMatch(/^mailfairtwo-choices/);
    await here.getByRole("row", { name: /^nightly/ }).waitFor();
    const pictures = page.locator(".lab img");
    expect(await pictures.count()).toBe(CHARTS);
    for (const picture of await pictures.all()) {
      await picture.scrollIntoViewIfNeeded();
      await expect
        .poll(() => picture.evaluate((image) => (image as unknown as Picture).naturalWidth), PATIENCE)
        .toBeGreaterThan(0);
    }
  });
}

/** These tests are checked without the types of a browser. */
interface Picture {
  readonly naturalWidth: number;
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
