/** Keeps the build of a commit for the tests of upgrades: `node packages/yardmaster/test/upgrading/keep.ts COMMIT`. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { bundled, ROOT } from "./bundle.ts";

const [commit = "HEAD"] = process.argv.slice(2);
const git = (...args: readonly string[]): Buffer =>
  execFileSync("git", args, { cwd: ROOT, maxBuffer: 2 ** 30 });

const folder = mkdtempSync(join(tmpdir(), "yardmaster-keep-"));
try {
  const tree = git("rev-parse", "--verify", `${commit}^{commit}`).toString().trim();
  const input = git("archive", `${tree}:packages/yardmaster`);
  execFileSync("tar", ["-x", "-C", folder], { input });
  const files = { COMMIT: `${tree}\n`, ...(await bundled(folder)) };
  writeFileSync(join(import.meta.dirname, "older.json.br"), brotliCompressSync(JSON.stringify(files)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
