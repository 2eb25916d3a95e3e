import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Page } from "playwright-core";
import { defineQueue, defineTask } from "../../yardmaster/src/index.ts";
import { launchChromium, openWindow } from "../test/browser.ts";
import { bounce, encode, resize, Stage, send, unknown } from "../test/stage.ts";

const archive = defineQueue({ name: "archive" });
const store = defineTask<string, string>({ name: "archive.store", queue: archive });

/** Draws each page, light and dark, of a yard at work. */
const FOLDER = resolve(import.meta.dirname, "../../../docs/img/dashboard");
const WARM_UP_MS = Number(process.env["WARM_UP_MS"] ?? 45_000);
const MAX_HEIGHT = 2_800;
const ONLY = process.argv[2];

const folder = mkdtempSync(join(tmpdir(), "yardmaster-pictures-"));
mkdirSync(FOLDER, { recursive: true });
const stage = await Stage.open(`sqlite:${join(folder, "yard.db")}`, { pace: 1 });
const browser = await launchChromium();
let isBusy = true;
const work = keepBusy();
try {
  await prepare();
  const windows = await Promise.all(
    (["light", "dark"] as const).map(async (colors) => ({
      colors,
      window: await openWindow(browser, { colors }),
    })),
  );
  const phone = await openWindow(browser, { colors: "light", width: 390, height: 844 });
  const pages = await Promise.all(
    [...windows, { colors: "phone", window: phone }].map(async ({ colors, window }) => {
      const page = await window.newPage();
      await page.goto(stage.link("/"));
      return { colors, page };
    }),
  );
  await pause(WARM_UP_MS);
  for (const [name, address, ready, opens] of await sights()) {
    if (ONLY !== undefined && ONLY !== name) continue;
    const path = typeof address === "string" ? address : await address();
    await Promise.all(pages.map(({ colors, page }) => draw(page, { name, path, ready, opens }, colors)));
  }
  for (const { colors, window } of windows) {
    const stranger = await window.newPage();
    await stranger.addInitScript(
      "sessionStorage.clear(); globalThis.BroadcastChannel = class { postMessage() {} close() {} }",
    );
    await stranger.goto(stage.server.url);
    await stranger.waitForSelector(".sign-in-card");
    await stranger.screenshot({ path: join(FOLDER, `sign-in-${colors}.png`) });
  }
} finally {
  isBusy = false;
  await work;
  await browser.close();
  await stage.close();
  rmSync(folder, { recursive: true });
}

interface Drawn {
  readonly name: string;
  readonly path: string;
  readonly ready: string;
  /** What is clicked first, by its name. */
  readonly opens: string | undefined;
}

async function draw(page: Page, { name, path: address, ready, opens }: Drawn, colors: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, address);
  await page.waitForSelector(ready);
  if (opens !== undefined) {
    await page.getByRole("button", { name: opens }).click();
    await page.getByRole("dialog").waitFor();
  }
  await pause(2_500);
  const { width = 0, height = 0 } = page.viewportSize() ?? {};
  if (isLong(name, colors)) {
    // As tall as the page, so that what sticks to the window's edges is where it belongs.
    const tall = Number(await page.evaluate("document.documentElement.scrollHeight"));
    await page.setViewportSize({ width, height: Math.max(height, Math.min(tall, MAX_HEIGHT)) });
    await pause(300);
  }
  // Long ones would be large as PNG.
  const isPhoto = colors === "phone" || isLong(name, colors);
  const path = join(FOLDER, `${name}-${colors}.${isPhoto ? "jpg" : "png"}`);
  await page.screenshot({ path, ...(isPhoto ? { type: "jpeg" as const, quality: 66 } : {}) });
  await page.setViewportSize({ width, height });
  if (opens !== undefined) await page.keyboard.press("Escape");
}

/** Lists are as long as one likes. */
function isLong(name: string, colors: string): boolean {
  return (
    name !== "tasks" &&
    name !== "queue-settings" &&
    (colors === "phone" || name === "yard" || name === "task")
  );
}

async function prepare(): Promise<void> {
  const { yard } = stage;
  await yard.schedule(
    "nightly-report",
    send,
    { to: "board@example.com" },
    { cron: "0 3 * * *", timeZone: "Europe/Berlin" },
  );
  await yard.schedule("digest", send, { to: "digest@example.com" }, { everyMs: 5_000 });
  await yard.schedule(
    "cleanup",
    resize,
    { url: "https://example.com/a.png", width: 8 },
    { cron: "*/15 * * * *", overlap: "skip" },
  );
  await yard.schedules.pause("cleanup");
  await yard.apply([archive]);
  await yard.pause("archive");
  await yard.submit(store, "2025.tar");
  await yard.submit(encode, { film: "harbour.mkv" });
  await yard.submit(encode, { film: "switching-yard.mkv" });
}

async function keepBusy(): Promise<void> {
  for (let round = 0; isBusy; round++) {
    const { yard } = stage;
    const busy = 1 + Math.round(2.4 * (1 + Math.sin(round / 9)));
    for (let one = 0; one < busy; one++) {
      await yard.submit(
        resize,
        { url: `https://example.com/${round}-${one}.png`, width: 320 },
        { priority: one * 20 },
      );
      await yard.submit(send, {
        to: one % 6 === 5 ? `slow-${round}@example.com` : `user-${round}-${one}@example.com`,
      });
    }
    if (round % 9 === 0) await yard.submit(bounce, "550 no such mailbox").catch(() => undefined);
    if (round % 30 === 10) await yard.submit(unknown, "who knows");
    if (round % 40 === 8) await stage.submitReport(6);
    await pause(420);
  }
}

type Sight = readonly [
  name: string,
  address: string | (() => Promise<string>),
  ready: string,
  opens?: string,
];

async function sights(): Promise<readonly Sight[]> {
  const { yard } = stage;
  const [failed] = (await yard.find({ name: "mail.bounce", limit: 1 })).tasks;
  const sent = await yard.find({ name: "mail.send", states: ["succeeded"], limit: 500 });
  const retried = sent.tasks.find(({ attempt }) => attempt === 3);
  let graph = "";
  const ownGraph = async (): Promise<string> => {
    if (graph === "") ({ id: graph } = await stage.submitReport(7));
    return `/graphs/${graph}`;
  };
  return [
    ["yard", "/", "canvas"],
    ["queues", "/queues", ".card"],
    ["queue-settings", "/queues", ".card", "Change settings of queue media"],
    ["tasks", "/tasks?state=ended", ".tasks"],
    ["task", `/tasks/${retried?.id ?? ""}`, ".story"],
    ["task-failed", `/tasks/${failed?.id ?? ""}`, ".failure"],
    ["graph", ownGraph, ".graph"],
    ["graphs", "/graphs", "tbody"],
    ["workers", "/workers", ".card"],
    ["schedules", "/schedules?schedule=digest", ".ticks"],
    ["shards", "/shards", "tbody tr"],
    ["policy", "/policy", ".lab img"],
  ];
}
