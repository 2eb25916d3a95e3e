import { expect, it } from "vitest";
import { hashToken, startHttp } from "../../yardmaster/src/http.ts";
import { connect, startDispatcher } from "../../yardmaster/src/index.ts";
import { flawsOf } from "./audit.ts";
import type { Scene } from "./scene.ts";
import { evil, HOSTILE_NAME, HOSTILE_TEXT, resize, unknown } from "./stage.ts";

/** With an audit, which takes seconds where the machine is busy. */
const AUDIT_MS = 120_000;
const PATIENCE = { timeout: 20_000 };

/** That what is shown is what is. */
export function liveTests(scene: Scene): void {
  const { stage } = scene;
  const { yard } = stage;

  it("shows throughput, queues, lanes, ends, and what is stuck and why, as it happens", async () => {
    const page = await scene.visit("/");
    await page.locator("canvas").waitFor();
    const { id } = await yard.submit(unknown, "who");
    for await (const task of yard.submitMany(
      resize,
      [1, 2, 3].map((width) => ({ url: "a", width })),
    ))
      await task.result();
    const ends = page.getByRole("region", { name: "Latest ends" });
    await ends.getByText("image.resize").nth(2).waitFor();
    await page.getByText("No connected worker knows nobody.knows.").waitFor(PATIENCE);
    await expect
      .poll(() => page.getByRole("img", { name: /^Throughput/ }).getAttribute("aria-label"), PATIENCE)
      .toMatch(/succeeded [\d.]+\/s/);
    expect(await page.getByRole("img", { name: /^Task stream/ }).getAttribute("aria-label")).toContain(
      "3 workers",
    );
    await page.getByRole("link", { name: "nobody.knows" }).first().click();
    await page.getByRole("region", { name: "Why it is not running" }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`/tasks/${id}`);
    await yard.cancel(id);
  });

  it("shows names, inputs, results and errors that were meant for harm as the text that they are", async () => {
    const good = await yard.submit(evil, HOSTILE_TEXT);
    await good.result();
    const bad = await yard.submit(evil, "throw");
    await bad.settled();
    const page = await scene.visit(`/tasks/${good.id}`);
    await page.getByRole("heading", { name: HOSTILE_NAME }).waitFor();
    await page.getByRole("group", { name: "Input" }).getByText("<script>").waitFor();
    await page.getByRole("group", { name: "Result" }).getByText("onerror").waitFor();
    await page.goto(`${stage.server.url}/tasks/${bad.id}`);
    await page.locator(".failure-line").getByText("</script><script>").waitFor();
    await page.goto(`${stage.server.url}/tasks?state=ended`);
    await page.getByText(HOSTILE_NAME).first().waitFor();
    await page.goto(`${stage.server.url}/tasks?state=ended&name=${encodeURIComponent(HOSTILE_NAME)}`);
    await page.getByText(HOSTILE_NAME).first().waitFor();
    await page.goto(`${stage.server.url}/`);
    await page.locator("canvas").waitFor();
    expect(await page.title()).toBe("Yard · Yardmaster");
    expect(await page.locator("main img, main script").count()).toBe(0);
  });
}

/** What is said where a server or a dispatcher has gone. */
export function outageTests(scene: Scene): void {
  const { stage } = scene;
  const { yard } = stage;

  it("says since when it is stale, and goes on when the server is back", { timeout: AUDIT_MS }, async () => {
    const own = await connect(stage.url);
    const token = { role: "viewer", sha256: hashToken(stage.tokens.viewer) } as const;
    const first = await startHttp(own, { port: 0, tokens: [token] });
    const page = await scene.window();
    await page.goto(`${first.url}/#token=${stage.tokens.viewer}`);
    await page.getByText("Live", { exact: true }).waitFor(PATIENCE);
    await first.close();
    await page.getByText(/Stale since [\d.]+ s/).waitFor(PATIENCE);
    expect(await flawsOf(page)).toEqual([]);
    const second = await startHttp(own, { port: first.port, tokens: [token] });
    await page.getByText("Live", { exact: true }).waitFor(PATIENCE);
    await page.close();
    await second.close();
    await own.close();
  });

  it("names shards that nobody dispatches, and the next owner", { timeout: AUDIT_MS }, async () => {
    const page = await scene.visit("/shards");
    await page.getByRole("row", { name: /held/ }).first().waitFor();
    const epoch = page.locator("td[data-label=Epoch]").first();
    const before = Number(await epoch.textContent());
    expect((await yard.shards())[0]?.epoch).toBe(before);
    await stage.dispatcher.close();
    await page.getByText(/^Nobody dispatches 1 of 1 shards$/).waitFor(PATIENCE);
    await page.getByText("No dispatcher answers").waitFor({ timeout: 30_000 });
    expect(await page.locator(".empty code").textContent()).toBe("npx yardmaster dispatcher");
    expect(await flawsOf(page)).toEqual([]);
    stage.dispatcher = await startDispatcher({ url: stage.url });
    await page.getByText("Live", { exact: true }).waitFor({ timeout: 30_000 });
    await page.getByRole("row", { name: /held/ }).first().waitFor(PATIENCE);
    await expect.poll(async () => Number(await epoch.textContent()), PATIENCE).toBeGreaterThan(before);
  });
}
