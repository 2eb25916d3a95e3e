import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { goTo, type Ids } from "./pages.ts";
import type { Scene } from "./scene.ts";
import { encode } from "./stage.ts";

const MAX_TABS = 60;

/** What is done without a mouse. */
export function keyboardTests(scene: Scene, ids: Ids): void {
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

  it("acts and fills in forms by the keyboard alone, and finds the focus where it was", async () => {
    const page = await scene.visit("/queues");
    await page.locator(".card").first().waitFor();
    await tabTo(page, "Pause queue mail");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Resume queue mail" }).waitFor();
    expect(await named(page)).toBe("Resume queue mail");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Pause queue mail" }).waitFor();
    expect(await named(page)).toBe("Pause queue mail");
    await page.keyboard.press("Shift+Tab");
    expect(await named(page)).toBe("Change settings of queue mail");
    await page.keyboard.press("Enter");
    const form = page.getByRole("dialog", { name: "Change queue mail" });
    await form.waitFor();
    for (let step = 0; step < 2; step++) await page.keyboard.press("Tab");
    await page.keyboard.type("7");
    await page.keyboard.press("Enter");
    await form.waitFor({ state: "detached" });
    expect(await named(page)).toBe("Change settings of queue mail");
    await page.getByRole("article", { name: "Queue mail" }).getByText("7", { exact: true }).waitFor();
    await page.keyboard.press("Enter");
    await form.waitFor();
    await page.keyboard.press("Escape");
    await form.waitFor({ state: "detached" });
    expect(await named(page)).toBe("Change settings of queue mail");
    await scene.stage.yard.configure("mail", { weight: 1 });
    const { id } = await scene.stage.yard.submit(encode, { film: "keys.mkv" });
    await goTo(page, `/tasks/${id}`, "progress");
    await tabTo(page, "Cancel");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await named(page)).toBe("Leave it");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await named(page)).toBe("Cancel");
    await scene.stage.yard.cancel(id);
  });
}

function focused(page: Page): Promise<string> {
  return page.evaluate("document.activeElement?.textContent.trim()") as Promise<string>;
}

/** What the focus is on, as it is called. */
function named(page: Page): Promise<string> {
  return page.evaluate(
    "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent.trim()",
  ) as Promise<string>;
}

async function tabTo(page: Page, name: string): Promise<void> {
  for (let step = 0; step < MAX_TABS; step++) {
    await page.keyboard.press("Tab");
    if ((await named(page)) === name) return;
  }
  throw new Error(`${MAX_TABS} presses of Tab did not reach ${name}.`);
}
