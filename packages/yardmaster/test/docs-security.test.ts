import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const PACKAGE = resolve(import.meta.dirname, "..");
const page = readFileSync(resolve(PACKAGE, "../../docs/security.md"), "utf8");

const RULER = /^\|(?: --- \|)+$/;

/** The tables of the page: the rows of each behind its head. */
function tables(): { head: string; rows: readonly string[] }[] {
  return [...page.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) => {
    const [head = "", ruler = "", ...rows] = table.trimEnd().split("\n");
    if (!RULER.test(ruler)) throw new Error(`A table has no head: ${head}`);
    return { head, rows };
  });
}

/** Every row of every table: what it is about, and the tests that it names. */
function lines(): { threat: string; tests: readonly (readonly [file: string, name: string])[] }[] {
  return tables()
    .flatMap(({ rows }) => rows)
    .map((line) => {
      const [, threat = "", , tests = ""] = line.split("|").map((cell) => cell.trim());
      const named = [...tests.matchAll(/`([^`]+)` "([^"]+)"/g)].map(
        ([, file = "", name = ""]) => [file, name] as const,
      );
      return { threat, tests: named };
    });
}

describe("docs/security.md", () => {
  it("has a threat model, and tests beside each line of each of its tables", () => {
    expect(tables().length).toBeGreaterThan(2);
    expect(lines().length).toBeGreaterThan(35);
    for (const { head } of tables()) expect(head).toMatch(/ \| tests \|$/);
  });

  for (const { threat, tests } of lines()) {
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
