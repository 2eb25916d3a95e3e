import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { loadHandlers } from "./loader.ts";

const folder = mkdtempSync(join(tmpdir(), "yardmaster-loader-"));
const handlersUrl = new URL("./handlers.ts", import.meta.url).href;
const definitionUrl = new URL("../definition.ts", import.meta.url).href;
const GOOD = `
import { createHandlers } from ${JSON.stringify(handlersUrl)};
import { defineTask } from ${JSON.stringify(definitionUrl)};
const { on } = createHandlers();
const one = on(defineTask({ name: "one" }), () => 1);
`;

afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("loadHandlers", () => {
  it("takes one handler or an array, by path or URL", async () => {
    const one = file("one.mjs", `${GOOD}export default one;`);
    const many = file("many.mjs", `${GOOD}export default [one];`);
    expect((await loadHandlers(one)).map(({ definition }) => definition.name)).toEqual(["one"]);
    expect(await loadHandlers(pathToFileURL(many).href)).toHaveLength(1);
  });

  it.each([
    ["absent.mjs", null, /no such file/],
    ["none.mjs", "export const x = 1;", /no default export/],
    ["number.mjs", "export default 5;", /it is a number/],
    ["empty.mjs", "export default [];", /empty array/],
    ["mixed.mjs", `${GOOD}export default [one, 2];`, /element 1 is something else/],
    ["throws.mjs", "throw new Error('on purpose');", /on purpose/],
  ])("refuses %s", async (name, content, message) => {
    const path = content === null ? join(folder, name) : file(name, content);
    const loading = loadHandlers(path);
    await expect(loading).rejects.toMatchObject({ code: "INVALID_WORKER_FILE", details: { file: path } });
    await expect(loadHandlers(path)).rejects.toThrow(message);
  });
});
