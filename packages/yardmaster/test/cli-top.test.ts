import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";
import { Terminal } from "./terminal.ts";

describe("yardmaster top", () => {
  let yard: CliYard;

  beforeEach(async () => {
    yard = new CliYard();
    await yard.start("start", HANDLERS, "--slots", "3", "--label", "zone=eu");
    await yard.run("submit", "echo", "1", "--queue", "mail", "--wait");
  });

  afterEach(() => yard.close());

  it("lives in a terminal until q, and gives it back", async () => {
    const terminal = new Terminal(["top", "--interval-ms", "100", "--url", yard.url]);
    try {
      await terminal.shows(/mail.*open/);
      await terminal.shows(/zone=eu/);
      terminal.press(" ");
      await terminal.shows(/paused/);
      terminal.press(" ");
      await terminal.shows(/slots .*0\/3 on 1 workers/);
      terminal.press("q");
      expect(await terminal.ended()).toBe(0);
      expect(terminal.text.startsWith("\u001b[?1049h")).toBe(true);
      expect(terminal.text.trimEnd().endsWith("\u001b[?1049l")).toBe(true);
    } finally {
      terminal.kill();
    }
  });

  it("is one look where no terminal is", async () => {
    const { code, stdout } = await yard.run("top", "--interval-ms", "100");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mail +open/m);
    expect(stdout).not.toContain("\u001b");
    const [seen] = await yard.json("top", "--interval-ms", "100");
    expect(seen).toMatchObject({ stats: { slots: 3 }, stuck: [] });
  });
});
