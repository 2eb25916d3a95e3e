import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const SKIPPED_FOLDERS = new Set(["node_modules", "dist", "coverage"]);
const MAX_LINES = 500;

/** These files name what is forbidden. */
const NAMING_IT = new Set([
  "packages/yardmaster/test/style.test.ts",
  "packages/yardmaster/test/lint.test.ts",
]);

interface Source {
  readonly path: string;
  readonly lines: readonly string[];
}

const sources: readonly Source[] = ["packages", "demo", "bench", "chaos", "mutants", "servers", "examples"]
  .filter((folder) => existsSync(join(ROOT, folder)))
  .flatMap((folder) => sourcePaths(join(ROOT, folder)))
  .map((path) => ({ path: relative(ROOT, path), lines: readFileSync(path, "utf8").trimEnd().split("\n") }))
  .filter(({ path }) => !NAMING_IT.has(path));
const tests = sources.filter(({ path }) => path.endsWith(".test.ts"));

describe("the house style", () => {
  it("finds the sources", () => {
    expect(sources.map(({ path }) => path)).toContain("packages/yardmaster/src/index.ts");
  });

  it(`keeps every file within ${MAX_LINES} lines`, () => {
    const long = sources.filter(({ lines }) => lines.length > MAX_LINES);
    expect(long.map(({ path, lines }) => `${path}: ${lines.length} lines`)).toEqual([]);
  });

  it("leaves no unfinished work behind", () => {
    expect(linesMatching(sources, /\b(?:TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
  });

  it("skips no test and singles none out", () => {
    expect(
      linesMatching(tests, /\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo|fails|skipIf|runIf)\b/),
    ).toEqual([]);
  });

  it("waits for events in tests, never for time", () => {
    expect(linesMatching(tests, /\b(?:setTimeout|setInterval|sleep)\s*\(|timers\/promises/)).toEqual([]);
  });

  it("keeps one engine out of another", () => {
    expect(sources.flatMap(foreignEngineImports)).toEqual([]);
  });
});

function sourcePaths(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : sourcePaths(path);
    return /\.(?:ts|js|tsx)$/.test(entry.name) ? [path] : [];
  });
}

function linesMatching(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

/** Biome matches import patterns by folder; which engine a file within a folder belongs to, only its name says. */
function foreignEngineImports({ path, lines }: Source): string[] {
  const own = engineOf(path);
  if (own === undefined || path.endsWith(".test.ts")) return [];
  return lines.flatMap((line, index) => {
    const specifier = /(?:from|import\()\s*"(\.[^"]+)"/.exec(line)?.[1];
    if (specifier === undefined) return [];
    const engine = engineOf(join(dirname(path), specifier));
    return engine === undefined || engine === own ? [] : [`${path}:${index + 1}: ${line.trim()}`];
  });
}

function engineOf(path: string): string | undefined {
  return /src\/(?:brokers\/|stores\/)?(memory|sqlite|redis|rabbitmq|postgres)\b/.exec(path)?.[1];
}
