import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const PACKAGE = resolve(import.meta.dirname, "..");
const page = readFileSync(resolve(PACKAGE, "../../docs/security.md"), "utf8");

/** The rows of the table of threats: what each is, and the tests that it names. */
function threats(): { threat: string; tests: readonly (readonly [file: string, name: string])[] }[] {
  const [, section = ""] = /\n## Threats\n(.*?)\n## /s.exec(page) ?? [];
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) => {
      const [, threat = "", , tests = ""] = line.split("|").map((cell) => cell.trim());
      const named = [...tests.matchAll(/`([^`]+)` "([^"]+)"/g)].map(
        ([, file = "", name = ""]) => [file, name] as const,
      );
      return { threat, tests: named };
    });
}

describe("docs/security.md", () => {
  it("has a threat model", () => {
    expect(threats().length).toBeGreaterThan(20);
  });

  for (const { threat, tests } of threats()) {
    it(`names tests that exist: ${threat.slice(0, 60)}`, () => {
      expect(tests).not.toEqual([]);
      for (const [file, name] of tests) {
        const path = join(PACKAGE, file);
        expect(existsSync(path), file).toBe(true);
        const titles = readFileSync(path, "utf8")
          .split("\n")
          .filter((line) => /\bit\b|^\s*\]\)\(|\(["`']/.test(line));
        expect(
          titles.some((line) => line.includes(name)),
          `${file}: ${name}`,
        ).toBe(true);
      }
    });
  }
});
