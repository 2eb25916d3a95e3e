import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "yardmaster-worker-file-"));
const loader = pathToFileURL(join(import.meta.dirname, "../src/worker/loader.ts")).href;

afterAll(() => rmSync(folder, { recursive: true }));

/** What loading a file says in plain Node, which strips types and does not compile. */
function complaint(name: string, content: string): Promise<string> {
  const file = join(folder, name);
  writeFileSync(file, content);
  const script = `import { loadHandlers } from ${JSON.stringify(loader)};
await loadHandlers(${JSON.stringify(file)}).catch((error) => console.log(error.code, error.message));`;
  return new Promise((resolve) => {
    execFile(process.execPath, ["--input-type=module", "-e", script], (_, stdout) => resolve(stdout));
  });
}

describe("a worker file that type stripping cannot load", () => {
  it.each([
    ["syntax.ts", "enum Size { Small }\nexport default Size;"],
    ["import.ts", 'import { x } from "./other";\nexport default x;'],
  ])("is refused with the way out: %s", async (name, content) => {
    expect(await complaint(name, content)).toMatch(/^INVALID_WORKER_FILE .*--import tsx/s);
  });

  it("is not blamed for what the file itself throws", async () => {
    const said = await complaint("throws.ts", "throw new RangeError('on purpose');");
    expect(said).toContain("on purpose");
    expect(said).not.toContain("tsx");
  });
});
