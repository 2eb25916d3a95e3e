import { afterEach, beforeAll, describe, expect } from "vitest";
import { queueActionTests, taskActionTests, yardActionTests } from "./actions-suite.ts";
import { auditTests } from "./audit-suite.ts";
import { taskDetailTests, yardDetailTests } from "./details-suite.ts";
import { keyboardTests } from "./keyboard-suite.ts";
import { liveTests, outageTests } from "./live-suite.ts";
import { pagesTests } from "./pages-suite.ts";
import type { Scene } from "./scene.ts";
import { sessionTests } from "./session-suite.ts";
import { settingsTests } from "./settings-suite.ts";
import { bounce, resize, send } from "./stage.ts";

/** The dashboard in a real browser, on a real dispatcher with workers. */
export function dashboardSuite(engine: string, scene: Scene): void {
  describe(`the dashboard on ${engine}`, () => {
    let failed = "";
    let graph = "";

    beforeAll(async () => {
      const { yard } = scene.stage;
      await yard.schedule("digest", send, { to: "digest@example.com" }, { everyMs: 3_600_000 });
      const task = await yard.submit(bounce, "550 no such mailbox");
      await task.settled();
      failed = task.id;
      await yard.submit(resize, { url: "later", width: 1 }, { delayMs: 3_600_000 });
    });

    afterEach(async () => {
      await scene.leave();
      expect(scene.complaints.splice(0)).toEqual([]);
    });

    describe("a session", () => sessionTests(scene));
    describe("live", () => liveTests(scene));
    describe("an outage", () => outageTests(scene));
    describe("a task's page", () => taskDetailTests(scene));
    describe("a page of the yard", () => yardDetailTests(scene));
    describe("actions on queues", () => queueActionTests(scene));
    describe("settings", () => settingsTests(scene));
    describe("actions on tasks", () => taskActionTests(scene));
    describe("every page", () => {
      beforeAll(async () => {
        await scene.stage.yard.pause("nightly");
        ({ id: graph } = await scene.stage.submitReport(4));
      });
      const ids = { failed: () => failed, graph: () => graph };
      auditTests(scene, ids);
      pagesTests(scene, ids);
      keyboardTests(scene, ids);
    });
    describe("actions on the rest", () => {
      beforeAll(async () => {
        const { graphs } = scene.stage.yard;
        for (const { id, state } of await graphs.list()) if (state !== "ended") await graphs.cancel(id);
      });
      yardActionTests(scene);
    });
  });
}
