import { afterEach, expect, it } from "vitest";
import { serverTests } from "../../yardmaster/test/server-tests.ts";
import { flawsOf } from "./audit.ts";
import { Scene } from "./scene.ts";

/** Each page with the command that it names where there is nothing to show. */
const PAGES: readonly (readonly [path: string, command: RegExp])[] = [
  ["/", /^npx yardmaster worker /],
  ["/queues", /^npx yardmaster queues apply /],
  ["/tasks", /^npx yardmaster submit /],
  ["/tasks?state=ended", /^npx yardmaster list /],
  ["/graphs", /^npx yardmaster graph list/],
  ["/workers", /^npx yardmaster worker /],
  ["/schedules", /^npx yardmaster schedule add /],
  ["/policy", /^npx yardmaster queues apply /],
  ["/tasks/01900000-0000-7000-8000-000000000000", /^npx yardmaster story /],
  ["/graphs/01900000-0000-7000-8000-000000000000", /^npx yardmaster graph list/],
];
const AUDIT_MS = 120_000;

await serverTests(
  "The dashboard of an empty yard",
  () => Scene.open("memory:dashboard-empty", { isEmpty: true }),
  (scene) => {
    afterEach(async () => {
      await scene.leave();
      expect(scene.complaints.splice(0)).toEqual([]);
    });

    it.each(PAGES)(
      "%s names the next command, without a flaw",
      { timeout: AUDIT_MS },
      async (path, command) => {
        for (const colors of ["light", "dark"] as const) {
          const page = await scene.visit(path, { colors });
          const empty = page.locator(".empty").first();
          await empty.waitFor();
          expect(await empty.locator(".command code").textContent()).toMatch(command);
          expect(await flawsOf(page), colors).toEqual([]);
        }
      },
    );
  },
);
