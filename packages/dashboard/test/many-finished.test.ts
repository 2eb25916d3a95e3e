import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { writeFinished } from "../../yardmaster/test/finished-rows.ts";
import { serverTests } from "../../yardmaster/test/server-tests.ts";
import { Scene } from "./scene.ts";

/** More than the store looks at for one page. */
const MANY = 25_000;
/** As often as the page asks before it asks the reader. */
const LOOKS = 4;
const folder = mkdtempSync(join(tmpdir(), "yardmaster-dashboard-"));
const url = `sqlite:${join(folder, "yard.db")}?durability=os`;
afterAll(() => rmSync(folder, { recursive: true }));

async function openScene(): Promise<Scene> {
  await writeFinished(url, MANY, (index) =>
    index === 3 ? { state: "failed", code: "HANDLER_FAILED", attempt: 3 } : {},
  );
  return Scene.open(url);
}

await serverTests("The dashboard of a yard with many ended tasks", openScene, (scene) => {
  describe("an old failure among many newer ended tasks", () => {
    afterEach(async () => {
      await scene.leave();
      expect(scene.complaints.splice(0)).toEqual([]);
    });

    it("is in the list", async () => {
      const page = await scene.visit("/tasks?state=failed");
      await page.getByRole("row", { name: /image\.resize.*failed/ }).waitFor();
    });

    it("is not called absent as long as older tasks have not been looked at", async () => {
      const page = await scene.window();
      let asked = 0;
      // What a server answers that has looked for long and has not come to the end.
      await page.route("**/api/v1/history?*", (route) => {
        asked++;
        if (asked > LOOKS) return route.continue();
        const cursor = "ffffffff-ffff-7fff-bfff-ffffffffffff";
        return route.fulfill({ json: { tasks: [], cursor } });
      });
      await page.goto(scene.stage.link("/tasks?state=failed"));
      await page.getByText("Nothing among the newest").waitFor();
      await page.getByRole("button", { name: "Look further" }).click();
      await page.getByRole("row", { name: /image\.resize.*failed/ }).waitFor();
    });

    it("is submitted again with all that fit", async () => {
      const page = await scene.visit("/tasks?state=failed");
      await page.getByRole("row", { name: /image\.resize.*failed/ }).waitFor();
      await page.getByRole("button", { name: "Submit all that fit the filter again" }).click();
      await page.getByRole("button", { name: "Redrive them" }).click();
      await page.getByText(/^1 task submitted again$/).waitFor();
    });
  });
});
