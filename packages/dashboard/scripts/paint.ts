import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { launchChromium, openWindow } from "../test/browser.ts";
import { bounce, resize, Stage, send } from "../test/stage.ts";

/** Prints how long the first paint with content takes on each page, in windows that have nothing cached. */
const VISITS = 5;
const TASKS = 200;

const folder = mkdtempSync(join(tmpdir(), "yardmaster-paint-"));
const stage = await Stage.open(`sqlite:${join(folder, "yard.db")}?durability=os`);
const browser = await launchChromium();
try {
  console.log(`${cpus().length} cores, load average ${loadavg()[0]?.toFixed(1)}, ${browser.version()}`);
  for (const [name, path] of await addresses()) {
    const paints: number[] = [];
    for (let visit = 0; visit < VISITS; visit++) paints.push(await firstPaint(path));
    paints.sort((a, b) => a - b);
    console.log(`${name}\tmedian ${paints[VISITS >> 1]} ms\tmost ${paints.at(-1)} ms`);
  }
} finally {
  await browser.close();
  await stage.close();
  rmSync(folder, { recursive: true });
}

async function firstPaint(path: string): Promise<number> {
  const window = await openWindow(browser, { colors: "light" });
  const page = await window.newPage();
  await page.goto(stage.link(path));
  await page.locator("main .panel, main .cards").first().waitFor();
  // It may be there before it is painted.
  const painted = await page.waitForFunction(
    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime",
  );
  const ms = Math.round(Number(await painted.jsonValue()));
  await window.close();
  return ms;
}

async function addresses(): Promise<readonly (readonly [name: string, path: string])[]> {
  const { yard } = stage;
  await yard.schedule("digest", send, { to: "digest@example.com" }, { everyMs: 3_600_000 });
  for (let width = 0; width < TASKS; width++) await yard.submit(resize, { url: "a", width });
  const failed = await yard.submit(bounce, "550 no such mailbox");
  await failed.settled();
  const graph = await stage.submitReport(6);
  await graph.result();
  return [
    ["Yard", "/"],
    ["Queues", "/queues"],
    ["Tasks", "/tasks?state=ended"],
    ["Task", `/tasks/${failed.id}`],
    ["Graphs", "/graphs"],
    ["Graph", `/graphs/${graph.id}`],
    ["Workers", "/workers"],
    ["Schedules", "/schedules"],
    ["Shards", "/shards"],
    ["Policy", "/policy"],
  ];
}
