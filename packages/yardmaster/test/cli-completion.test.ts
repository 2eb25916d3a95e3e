import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard } from "./cli-process.ts";

let yard: CliYard;

beforeEach(() => {
  yard = new CliYard();
});

afterEach(() => yard.close());

/** What bash offers for the last of these words. */
function offered(script: string, words: readonly string[]): string[] {
  const program = `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_yardmaster; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", program], { encoding: "utf8" }).trim().split("\n").sort();
}

describe("yardmaster completion", () => {
  it("completes commands and their options in bash", async () => {
    const { code, stdout } = await yard.run("completion", "bash");
    expect(code).toBe(0);
    expect(offered(stdout, ["yardmaster", "do"])).toEqual(["doctor"]);
    expect(offered(stdout, ["yardmaster", "queues", ""])).toContain("apply");
    expect(offered(stdout, ["yardmaster", "worker", "./w.ts", "--sl"])).toEqual(["--slots"]);
    expect(offered(stdout, ["yardmaster", "bulk", "cancel", "--dry"])).toEqual(["--dry-run"]);
    expect(offered(stdout, ["yardmaster", "drain", "--u"])).toEqual(["--url"]);
  });

  it("knows every command in zsh and fish too", async () => {
    const [zsh, fish, help] = await Promise.all([
      yard.run("completion", "zsh"),
      yard.run("completion", "fish"),
      yard.run("--help"),
    ]);
    const commands = [...help.stdout.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].map(([, name = ""]) => name);
    expect(commands).toContain("doctor");
    const known = commands.filter((name) => name !== "help");
    expect(known.filter((name) => !zsh.stdout.includes(`'${name}:`))).toEqual([]);
    expect(known.filter((name) => !fish.stdout.includes(` -a ${name} `))).toEqual([]);
    expect(zsh.stdout.startsWith("#compdef yardmaster\n")).toBe(true);
  });

  it.for(["bash", "zsh", "fish"])("is a script that %s can read", async (shell, context) => {
    const { code, stdout } = await yard.run("completion", shell);
    expect(code).toBe(0);
    const file = join(yard.folder, `completion.${shell}`);
    writeFileSync(file, `${stdout}\n`);
    const { error, status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    if (error !== undefined) {
      if (process.env["CI"] === "true") throw error;
      return context.skip(`${shell} is not installed: apt-get install ${shell}`);
    }
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("knows no other shell", async () => {
    expect(await yard.run("completion", "tcsh")).toMatchObject({ code: 2 });
  });
});
