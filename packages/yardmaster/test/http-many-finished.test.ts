import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { TaskId } from "../src/protocol/task.ts";
import { SPEC } from "../src/testing/sample-tasks.ts";
import { writeFinished } from "./finished-rows.ts";
import { HttpYard } from "./http-yard.ts";

/** More than the store looks at for one page. */
const MANY = 25_000;
const folder = mkdtempSync(join(tmpdir(), "yardmaster-finished-"));
const url = `sqlite:${join(folder, "yard.db")}?durability=os`;
const rare = { ...SPEC, name: "rare.report", queue: "reports" };

let ids: TaskId[];
let yard: HttpYard;

beforeAll(async () => {
  ids = await writeFinished(url, MANY, (index) => {
    if (index === 3) return { state: "failed", code: "HANDLER_FAILED" };
    return index === 7 ? { spec: rare } : {};
  });
  yard = await HttpYard.open({}, url);
}, 120_000);

afterAll(async () => {
  await yard.close();
  rmSync(folder, { recursive: true });
});

describe("an old task among many newer ones that have ended", () => {
  it("is in the history, page by page", async () => {
    const found: unknown[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const more: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const { body }: { body: { tasks?: { id: string }[]; cursor?: string | null } } = await yard.get(
        `/api/v1/history?state=failed${more}`,
      );
      found.push(...(body.tasks ?? []).map(({ id }) => id));
      cursor = body.cursor ?? null;
    }
    expect(found).toEqual([ids[3]]);
  });

  it("is in one page as soon as the dispatcher knows what has ended", async () => {
    await vi.waitFor(
      async () => {
        const { body } = await yard.get("/api/v1/history?state=failed");
        expect(body).toMatchObject({ tasks: [{ id: ids[3] }], cursor: null });
      },
      { timeout: 60_000 },
    );
    const none = await yard.get("/api/v1/history?state=expired");
    expect(none.body).toEqual({ tasks: [], cursor: null });
    const { body } = await yard.get("/api/v1/history?queue=media&limit=1000");
    expect(body).toMatchObject({ tasks: { length: 1_000 }, cursor: ids.at(-1_000) });
  });

  it.each([
    ["of a state", "state=failed", 3],
    ["of a queue", "queue=reports", 7],
    ["of a name", "name=rare.report", 7],
  ])("is in a list %s", async (_what, query, index) => {
    const { body } = await yard.get(`/api/v1/tasks?${query}`);
    expect(body).toMatchObject({ tasks: [{ id: ids[index] }] });
  });

  it("is submitted again with all others that fit, wherever it is", async () => {
    let matched: string[] = [];
    for (let cursor: string | null | undefined; matched.length === 0 && cursor !== null; ) {
      const from: object = cursor === undefined ? {} : { cursor };
      const { body }: { body: { matched?: string[]; cursor?: string | null } } = await yard.post(
        "/api/v1/bulk/retry",
        { state: "failed", dryRun: true, ...from },
      );
      matched = body.matched ?? [];
      cursor = body.cursor ?? null;
    }
    expect(matched).toEqual([ids[3]]);
  });
});
