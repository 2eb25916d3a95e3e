import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { createManualHost } from "../testing/manual-host.ts";
import { createHandlers } from "../worker/handlers.ts";
import { startYard } from "../yard.ts";
import { outputTo } from "./output.ts";
import { waitForEnd } from "./wait.ts";

it("says after some seconds what may tell why there is no end yet", async () => {
  const { on } = createHandlers();
  const other = on(defineTask<null, null>({ name: "other" }), () => null);
  await using yard = await startYard({ url: "memory:wait", handlers: [other] });
  const { id } = await yard.submit(defineTask<null, null>({ name: "nobody.knows" }), null);
  const host = createManualHost();
  const stderr = new PassThrough();
  const waiting = waitForEnd(yard, id, outputTo(new PassThrough(), stderr, false), undefined, host);
  await host.advance(9_999);
  expect(stderr.read()).toBeNull();
  await host.advance(1);
  expect(String(stderr.read())).toContain(`yardmaster explain ${id}`);
  await yard.cancel(id);
  expect(await waiting).toBe(1);
});
