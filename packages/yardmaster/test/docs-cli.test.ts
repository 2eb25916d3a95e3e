import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { CliYard } from "./cli-process.ts";

it("docs/cli.md has every command, and no other", async () => {
  const page = await readFile(join(import.meta.dirname, "../../../docs/cli.md"), "utf8");
  const rows = [...page.matchAll(/^\| (`[a-z].*?) \| /gm)].map(([, cell = ""]) => cell);
  const documented = rows.flatMap((cell) => [...cell.matchAll(/`([a-z]+)/g)].map(([, name = ""]) => name));
  const yard = new CliYard();
  try {
    const { stdout } = await yard.run("--help");
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].map(([, name = ""]) => name);
    const known = commands.filter((name) => name !== "help");
    expect([...new Set(documented)].sort()).toEqual([...new Set(known)].sort());
  } finally {
    await yard.close();
  }
});
