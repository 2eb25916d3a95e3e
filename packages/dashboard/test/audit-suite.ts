import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { flawsOf } from "./audit.ts";
import { allPages, goTo, type Ids } from "./pages.ts";
import type { Scene } from "./scene.ts";
import { encode } from "./stage.ts";

/** An audit of a page takes seconds where the machine is busy. */
const AUDIT_MS = 300_000;
const PHONE = { width: 390, height: 844 };

/** That every page, and what comes and goes on it, is there for everybody. */
export function auditTests(scene: Scene, ids: Ids): void {
  it.each(["light", "dark"] as const)(
    "has no flaw that the accessibility audit finds, in %s",
    { timeout: AUDIT_MS },
    async (colors) => {
      const page = await scene.visit("/", { colors });
      for (const [path, ready] of allPages(ids)) {
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
      await auditMoments(scene, page);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.locator(".sign-in-card").waitFor();
      expect(await flawsOf(page), "sign in").toEqual([]);
    },
  );

  it("fits a phone, without a flaw there either", { timeout: AUDIT_MS }, async () => {
    const page = await scene.visit("/", PHONE);
    for (const [path, ready] of allPages(ids)) {
      await goTo(page, path, ready);
      const over = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(over, path).toBeLessThanOrEqual(0);
      expect(await flawsOf(page), path).toEqual([]);
    }
    await goTo(page, "/queues", ".card");
    await page.getByRole("button", { name: "Change settings of queue media" }).click();
    await page.getByRole("dialog").waitFor();
    expect(await flawsOf(page), "a form").toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  });
}

/** What comes and goes: a worker's form, a message, a question, a task that tells of itself, a filter. */
async function auditMoments(scene: Scene, page: Page): Promise<void> {
  const { yard } = scene.stage;
  await goTo(page, "/workers", ".card");
  await page
    .getByRole("button", { name: /^Change slots/ })
    .first()
    .click();
  await page.getByRole("dialog").waitFor();
  expect(await flawsOf(page), "the form of slots").toEqual([]);
  await page.keyboard.press("Escape");
  await goTo(page, "/queues", ".card");
  await page.getByRole("button", { name: "Pause queue media" }).click();
  await page.getByText("Queue media is paused", { exact: true }).waitFor();
  expect(await flawsOf(page), "a message").toEqual([]);
  await page.getByRole("button", { name: "Resume queue media" }).click();
  await goTo(page, "/tasks?name=mail.bounce&key=none", ".empty");
  expect(await flawsOf(page), "tasks of a key").toEqual([]);
  const { id } = await yard.submit(encode, { film: "audit.mkv" });
  await goTo(page, `/tasks/${id}`, "progress");
  await page.getByRole("list", { name: "Log lines" }).getByText("encoding audit.mkv").first().waitFor();
  expect(await flawsOf(page), "a task that runs").toEqual([]);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").waitFor();
  expect(await flawsOf(page), "a question").toEqual([]);
  await page.getByRole("button", { name: "Cancel it" }).click();
  await page.getByRole("region", { name: "Task" }).getByText("cancelled").waitFor();
}
