import { expect, it } from "vitest";
import type { Scene } from "./scene.ts";

/** What the pages change of a yard that goes on. */
export function settingsTests(scene: Scene): void {
  const { stage } = scene;
  const { yard } = stage;

  it("changes a queue's weight and limits while it runs, and leaves alone what was not touched", async () => {
    const settings = async () => (await yard.queues()).find(({ name }) => name === "nightly")?.settings;
    await yard.configure("nightly", { concurrency: 2, weight: 1, precedence: 0, rate: null });
    const page = await scene.visit("/queues");
    const change = page.getByRole("button", { name: "Change settings of queue nightly" });
    await change.click();
    const form = page.getByRole("dialog", { name: "Change queue nightly" });
    await yard.configure("nightly", { precedence: 3 });
    await form.getByLabel("Weight").fill("4");
    await form.getByLabel("Most at a time").fill("");
    await form.getByLabel("Starts").fill("10");
    await form.getByLabel("Per seconds").fill("0.5");
    await form.getByRole("button", { name: "Change it" }).click();
    await page.getByText("Queue nightly is changed").waitFor();
    expect(await settings()).toMatchObject({
      weight: 4,
      precedence: 3,
      concurrency: 0,
      rate: { limit: 10, perMs: 500, burst: 1 },
    });
    const card = page.getByRole("article", { name: "Queue nightly" });
    await card.getByText("10 per 500 ms, burst 1").waitFor();
    await change.click();
    await form.getByLabel("Weight").fill("1000000000");
    await form.getByRole("button", { name: "Change it" }).click();
    await form.getByRole("alert").getByText("weight").waitFor();
    expect(await form.getByLabel("Weight").inputValue()).toBe("1000000000");
    await page.keyboard.press("Escape");
    await form.waitFor({ state: "detached" });
    expect(await settings()).toMatchObject({ weight: 4 });
    await yard.configure("nightly", { concurrency: 2, weight: 1, precedence: 0, rate: null });
  });

  it("changes a queue's order and placement while it runs, and nothing else", async () => {
    const nightly = async () => (await yard.queues()).find(({ name }) => name === "nightly");
    const before = await nightly();
    const page = await scene.visit("/queues");
    const card = page.getByRole("article", { name: "Queue nightly" });
    await page.getByRole("button", { name: "Change settings of queue nightly" }).click();
    const form = page.getByRole("dialog", { name: "Change queue nightly" });
    expect(await form.getByLabel("Order").inputValue()).toBe(before?.order);
    expect(await form.getByLabel("Placement").inputValue()).toBe(before?.placement);
    await form.getByLabel("Order").selectOption("priority");
    await form.getByLabel("Placement").selectOption("spread");
    await form.getByRole("button", { name: "Change it" }).click();
    await form.waitFor({ state: "detached" });
    await card.getByText("priority", { exact: true }).waitFor();
    await card.getByText("spread", { exact: true }).waitFor();
    expect(await nightly()).toMatchObject({
      order: "priority",
      placement: "spread",
      settings: before?.settings,
    });
    await yard.configure("nightly", { order: "fifo", placement: "two-choices" });
  });

  it("changes a worker's slots while it runs", async () => {
    const [, worker] = stage.workers;
    if (worker === undefined) throw new Error("The stage has workers.");
    const page = await scene.visit("/workers");
    await page.getByRole("button", { name: `Change slots of worker ${worker.id}` }).click();
    const form = page.getByRole("dialog", { name: "Change this worker's slots" });
    await form.getByLabel("Slots").fill("9");
    await form.getByRole("button", { name: "Change them" }).click();
    await page.getByText("The worker has its new slots").waitFor();
    await page
      .getByRole("article", { name: `Worker ${worker.id}` })
      .getByText("of 9 slots")
      .waitFor();
    expect((await yard.workers()).find(({ id }) => id === worker.id)?.credit).toBe(9);
  });
}
