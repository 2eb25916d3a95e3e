import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { findProgram } from "../../../servers/server.ts";

const INSTALL = "apt-get install -y --no-install-recommends chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Look {
  readonly colors: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  readonly scale?: number;
}

/** The system's Chromium, with a profile of its own that goes with it. Throws ServerMissing. */
export function launchChromium(): Promise<Browser> {
  const executablePath = findProgram("chromium", INSTALL);
  return chromium.launch({ executablePath, args: FLAGS, headless: true });
}

export function openWindow(browser: Browser, look: Look): Promise<BrowserContext> {
  const { colors, width = 1_360, height = 900, scale = 1 } = look;
  return browser.newContext({
    colorScheme: colors,
    viewport: { width, height },
    deviceScaleFactor: scale,
    locale: "en-GB",
    timezoneId: "UTC",
    reducedMotion: "reduce",
  });
}
