import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import type { Scene } from "./scene.ts";
import { bounce, encode, resize, send } from "./stage.ts";

const PATIENCE = { timeout: 20_000 };

/** Everything that the pages can do to queues, and to many tasks. */
export function queueActionTests(scene: Scene): void {
  const { yard } = scene.stage;

  it("pauses and resumes a queue, and says why what waits waits", async () => {
    const page = await scene.visit("/queues");
    await page.getByRole("button", { name: "Pause queue mail" }).click();
    await page.getByText("Queue mail is paused", { exact: true }).waitFor();
    const { id } = await yard.submit(send, { to: "ada@example.com", password: "hunter2" });
    await page.getByRole("article", { name: "Queue mail" }).getByText("Queue mail is paused.").waitFor();
    await page.goto(`${scene.stage.server.url}/tasks/${id}`);
    await page
      .getByRole("region", { name: "Why it is not running" })
      .getByText("Queue mail is paused.")
      .waitFor();
    await page.goto(`${scene.stage.server.url}/queues`);
    await page.getByRole("button", { name: "Resume queue mail" }).click();
    await page.getByRole("button", { name: "Pause queue mail" }).waitFor();
    expect(await yard.get(id).result()).toBe("sent to ada@example.com");
    await page.goto(`${scene.stage.server.url}/tasks/${id}`);
    await page.getByRole("group", { name: "Result" }).getByText("sent to ada@example.com").waitFor();
    const input = page.getByRole("group", { name: "Input" });
    expect(await input.textContent()).toContain("password: hidden");
    expect(await page.content()).not.toContain("hunter2");
  });

  it("pages through unfinished tasks and cancels all that fit", async () => {
    await yard.pause("media");
    for (let index = 0; index < 60; index++)
      await yard.submit(resize, { url: `https://example.com/${index}`, width: 1 });
    const page = await scene.visit("/tasks?queue=media&state=ready");
    await rows(page, 50);
    await page.getByRole("button", { name: "Next" }).click();
    await rows(page, 10);
    await page.getByRole("button", { name: "Back" }).click();
    await rows(page, 50);
    await page.getByRole("button", { name: "Cancel all that fit the filter" }).click();
    await page.getByRole("dialog").getByText("Cancel 60 tasks?").waitFor();
    await page.keyboard.press("Escape");
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.getByRole("button", { name: "Cancel all that fit the filter" }).click();
    await page.getByRole("button", { name: "Cancel them" }).click();
    await page.getByText("60 tasks cancelled", { exact: true }).waitFor();
    await page.getByText("No task fits").waitFor();
    expect(await yard.list({ queue: "media", state: "ready", unfinished: true })).toEqual([]);
    await yard.resume("media");
  });
}

/** Everything that the pages can do to tasks. */
export function taskActionTests(scene: Scene): void {
  const { yard } = scene.stage;

  it("finds ended tasks by state, name and time, in an address that can be shared", async () => {
    await (await yard.submit(bounce, "no such mailbox")).settled();
    const page = await scene.visit("/tasks");
    await page.getByLabel("State").selectOption("failed");
    await page.getByLabel("Name", { exact: true }).fill("mail.bounce");
    await page.keyboard.press("Enter");
    await page.getByLabel("Submitted").selectOption("1h");
    await page
      .getByRole("row", { name: /mail\.bounce.*no such mailbox/ })
      .first()
      .waitFor();
    const search = "?state=failed&name=mail.bounce&period=1h";
    await page.waitForURL((url) => url.search === search);
    const other = await scene.visit(`/tasks${search}`);
    await other
      .getByRole("row", { name: /mail\.bounce/ })
      .first()
      .waitFor();
    expect(await other.getByLabel("State").inputValue()).toBe("failed");
  });

  it("finds the task of an idempotency key, whatever has become of it", async () => {
    const { id } = await yard.submit(bounce, "of a key", { idempotencyKey: "order 1" });
    await yard.get(id).settled();
    const page = await scene.visit("/tasks");
    expect(await page.getByLabel("Key", { exact: true }).isDisabled()).toBe(true);
    await page.getByLabel("Name", { exact: true }).fill("mail.bounce");
    await page.keyboard.press("Enter");
    await page.getByLabel("Key", { exact: true }).fill("order 1");
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /mail\.bounce.*of a key/ }).waitFor();
    await rows(page, 1);
    expect(new URL(page.url()).search).toBe("?name=mail.bounce&key=order+1");
    await page.getByLabel("Key", { exact: true }).fill("order 2");
    await page.keyboard.press("Enter");
    await page.getByText("No task has this key").waitFor();
    await page.getByRole("button", { name: "Take the key out" }).click();
    await page.waitForURL((url) => url.search === "?name=mail.bounce");
  });

  it("submits ended tasks again: one, and all that fit", async () => {
    const { id } = await yard.submit(bounce, "again");
    await yard.get(id).settled();
    const page = await scene.visit(`/tasks/${id}`);
    await page.locator(".failure-line").getByText("again").waitFor();
    await page.getByText("Stack").click();
    await page.locator(".failure pre").getByText("Error: again").waitFor();
    await page.getByRole("button", { name: "Retry" }).click();
    await page.waitForURL((url) => url.pathname.startsWith("/tasks/") && !url.pathname.endsWith(id));
    await page.locator(".failure").waitFor();
    await page.goto(`${scene.stage.server.url}/tasks?state=failed&name=mail.bounce`);
    await page.getByRole("button", { name: "Submit all that fit the filter again" }).click();
    await page.getByRole("button", { name: "Redrive them" }).click();
    await page.getByText(/^\d+ tasks submitted again$/).waitFor();
  });

  it("shows logs and progress as they come, and cancels what runs", async () => {
    const { id } = await yard.submit(encode, { film: "harbour.mkv" });
    const page = await scene.visit(`/tasks/${id}`);
    await page.getByText("40 % second pass").waitFor(PATIENCE);
    await page.getByRole("list", { name: "Log lines" }).getByText("encoding harbour.mkv").first().waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Cancel it" }).click();
    await page.getByRole("region", { name: "Task" }).getByText("cancelled").waitFor();
    expect((await yard.status(id))?.state).toBe("cancelled");
  });
}

/** Everything that the pages can do to the rest. */
export function yardActionTests(scene: Scene): void {
  const { stage } = scene;
  const { yard } = stage;

  it("draws a graph as it goes on, and cancels it", async () => {
    await yard.pause("nightly");
    const { id } = await stage.submitReport(5);
    const page = await scene.visit("/graphs");
    await page.getByRole("link", { name: id }).click();
    await page.locator(".graph a").nth(5).waitFor();
    expect(await page.locator(".graph a").count()).toBe(6);
    expect(await page.locator(".graph .edge").count()).toBe(5);
    await page.locator(".graph").getByRole("link", { name: "report.sum, blocked" }).click();
    await page.getByText(/^Waiting for 5 of 5 tasks to end/).waitFor();
    await page.goto(`${stage.server.url}/graphs/${id}`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Cancel it" }).click();
    await page.getByText("The graph is cancelled").waitFor();
    await yard.resume("nightly");
    expect((await yard.graphs.get(id))?.state).toBe("ended");
  });

  it("runs, pauses, resumes and removes a schedule, and tells its ticks", async () => {
    await yard.schedule("hourly", resize, { url: "https://example.com/a", width: 2 }, { cron: "0 * * * *" });
    const page = await scene.visit("/schedules");
    await page.getByRole("button", { name: "Ticks of hourly" }).click();
    await page
      .locator(".ticks")
      .getByText(/:00:00/)
      .nth(4)
      .waitFor();
    expect(new URL(page.url()).search).toBe("?schedule=hourly");
    await page.getByRole("button", { name: "Run hourly now" }).click();
    await page.getByText("hourly is submitted").waitFor();
    await page.getByRole("button", { name: "Pause hourly" }).click();
    await page.getByText("None while it is paused.").waitFor();
    expect((await yard.schedules.list()).find(({ name }) => name === "hourly")?.paused).toBe(true);
    await page.getByRole("button", { name: "Resume hourly" }).click();
    await page.getByRole("button", { name: "Pause hourly" }).waitFor();
    await page.getByRole("button", { name: "Remove hourly" }).click();
    await page.getByRole("button", { name: "Remove it" }).click();
    await page.getByText("Schedule hourly is removed").waitFor();
    expect((await yard.schedules.list()).map(({ name }) => name)).not.toContain("hourly");
  });

  it("finds a worker by its label and drains it", async () => {
    const [worker] = stage.workers;
    if (worker === undefined) throw new Error("The stage has workers.");
    const page = await scene.visit("/workers");
    await page.getByLabel("Worker or label").fill("gpu=yes");
    await expect.poll(() => page.getByRole("article").count(), PATIENCE).toBe(1);
    await page.getByRole("button", { name: `Drain worker ${worker.id}` }).click();
    await page.getByRole("button", { name: "Drain it" }).click();
    await page.getByText("The worker drains").waitFor();
    await worker.drained;
    await page.getByText("No worker fits").waitFor();
  });
}

async function rows(page: Page, count: number): Promise<void> {
  await expect.poll(() => page.locator(".tasks tbody tr").count(), PATIENCE).toBe(count);
}
