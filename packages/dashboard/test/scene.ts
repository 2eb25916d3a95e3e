import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Role } from "../../yardmaster/src/http/api.ts";
import { type Look, launchChromium, openWindow } from "./browser.ts";
import { Stage } from "./stage.ts";

/** A yard, a browser that looks at it, and whatever that browser complained of. */
export class Scene {
  readonly stage: Stage;
  readonly browser: Browser;
  /** Errors of scripts, and what the page's policy has refused. */
  readonly complaints: string[] = [];
  private readonly windows: BrowserContext[] = [];

  private constructor(stage: Stage, browser: Browser) {
    this.stage = stage;
    this.browser = browser;
  }

  static async open(url: string, options: { readonly isEmpty?: boolean } = {}): Promise<Scene> {
    const browser = await launchChromium();
    return new Scene(await Stage.open(url, options), browser);
  }

  /** A window of its own, signed in by a link. */
  async visit(
    path: string,
    { role = "operator", ...look }: Partial<Look> & { role?: Role } = {},
  ): Promise<Page> {
    const page = await this.window(look);
    await page.goto(this.stage.link(path, role));
    return page;
  }

  /** A window of its own, signed in by nothing. */
  async window(look: Partial<Look> = {}): Promise<Page> {
    const window = await openWindow(this.browser, { colors: "light", ...look });
    this.windows.push(window);
    const page = await window.newPage();
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (line) => {
      // A request that the server refuses is told as an error of the network.
      if (line.type() === "error" && !line.text().startsWith("Failed to load resource"))
        this.complaints.push(line.text());
    });
    return page;
  }

  /** Ends the windows of a test. */
  async leave(): Promise<void> {
    for (const window of this.windows.splice(0)) await window.close();
  }

  async stop(): Promise<void> {
    await this.leave();
    await this.browser.close();
    await this.stage.close();
  }
}
