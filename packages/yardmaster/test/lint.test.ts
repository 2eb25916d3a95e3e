import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const IMPORTS = "lint/style/noRestrictedImports";
const GLOBALS = "lint/style/noRestrictedGlobals";
const PROPERTIES = "lint/nursery/noJsRestrictedProperties";
const ALLOWED = "allowed";

/** A file in `src`, a line of code there, and the rule that must report it. */
const PROBES: readonly (readonly [file: string, code: string, rule: string])[] = [
  ["kernel/a.ts", 'export * as a from "../protocol/x.ts";', ALLOWED],
  ["kernel/b.ts", 'export * as a from "../host.ts";', IMPORTS],
  ["kernel/c.ts", 'export * as a from "node:fs";', IMPORTS],
  ["kernel/d.ts", 'export const a = import("../connect.ts");', IMPORTS],
  ["kernel/e.ts", 'export type * from "../stores/store.ts";', IMPORTS],
  ["lab/a.ts", 'export * as a from "../kernel/x.ts";', ALLOWED],
  ["lab/b.ts", 'export * as a from "../client/x.ts";', IMPORTS],
  ["protocol/a.ts", 'export * as a from "../kernel/x.ts";', IMPORTS],
  ["brokers/a.ts", 'export * as a from "../protocol/x.ts";', ALLOWED],
  ["brokers/b.ts", 'export * as a from "../host.ts";', ALLOWED],
  ["brokers/c.ts", 'export * as a from "../sqlite/x.ts";', ALLOWED],
  ["brokers/d.ts", 'export * as a from "../stores/store.ts";', IMPORTS],
  ["brokers/e.ts", 'export * as a from "../kernel/x.ts";', IMPORTS],
  ["brokers/redis/f.ts", 'export * as a from "../../dispatcher/x.ts";', IMPORTS],
  ["stores/a.ts", 'export * as a from "../brokers/broker.ts";', IMPORTS],
  ["stores/b.ts", 'export * as a from "../worker/x.ts";', IMPORTS],
  ["sqlite/a.ts", 'export * as a from "../client/x.ts";', IMPORTS],
  ["dispatcher/a.ts", 'export * as a from "../kernel/x.ts";', ALLOWED],
  ["dispatcher/b.ts", 'export * as a from "../brokers/broker.ts";', ALLOWED],
  ["dispatcher/c.ts", 'export * as a from "../stores/sqlite.ts";', IMPORTS],
  ["dispatcher/d.ts", 'export * as a from "../sqlite/x.ts";', IMPORTS],
  ["dispatcher/f.ts", 'export const a = import("../redis/x.ts");', IMPORTS],
  ["client/c.ts", 'export * as a from "../postgres/x.ts";', IMPORTS],
  ["worker/d.ts", 'export * as a from "../rabbitmq/x.ts";', IMPORTS],
  ["redis/a.ts", 'export * as a from "../client/x.ts";', IMPORTS],
  ["brokers/g.ts", 'export * as a from "../redis/x.ts";', ALLOWED],
  ["dispatcher/e.ts", 'export * as a from "../worker/x.ts";', IMPORTS],
  ["worker/a.ts", 'export * as a from "../engine.ts";', ALLOWED],
  ["worker/b.ts", 'export * as a from "../memory/x.ts";', IMPORTS],
  ["worker/c.ts", 'export * as a from "../kernel/x.ts";', IMPORTS],
  ["client/a.ts", 'export * as a from "../connect.ts";', IMPORTS],
  ["client/b.ts", 'export * as a from "../dispatcher/x.ts";', IMPORTS],
  ["elsewhere.ts", 'export const a = import("./brokers/memory.ts");', IMPORTS],
  ["connect.ts", 'export const a = import("./brokers/memory.ts");', ALLOWED],

  ["clock/a.ts", "export const a = new Date();", GLOBALS],
  ["clock/b.ts", "export const a = performance;", GLOBALS],
  ["clock/c.ts", "setTimeout(Boolean, 1);", GLOBALS],
  ["clock/d.ts", "setInterval(Boolean, 1);", GLOBALS],
  ["clock/e.ts", "setImmediate(Boolean);", GLOBALS],
  ["clock/f.ts", "queueMicrotask(Boolean);", GLOBALS],
  ["clock/g.ts", "export const a = crypto;", GLOBALS],
  ["clock/h.ts", "export const a = Math.random();", PROPERTIES],
  ["clock/i.ts", "export const a = process.hrtime.bigint();", PROPERTIES],
  ["clock/j.ts", "export const a = globalThis.setTimeout;", PROPERTIES],
  ["clock/k.ts", 'import { randomBytes } from "node:crypto";\nexport const a = randomBytes;', "plugin"],
  ["clock/l.ts", 'import * as all from "node:crypto";\nexport const a = all;', "plugin"],
  ["clock/m.ts", 'import { setTimeout as a } from "node:timers/promises";\nexport const b = a;', "plugin"],
  ["clock/n.ts", 'import { hrtime } from "node:process";\nexport const a = hrtime;', "plugin"],
  ["clock/p.ts", 'import { createHash } from "node:crypto";\nexport const a = createHash;', ALLOWED],
  ["cli/a.ts", "export const a = new Date(0);", ALLOWED],
  ["cli/b.ts", "export const a = Date.now();", PROPERTIES],
  ["host.ts", "export const a = [Date.now(), performance, Math.random()];", ALLOWED],

  ["code/a.ts", "export function a(b: any): void {\n  b();\n}", "lint/suspicious/noExplicitAny"],
  ["code/b.ts", "export const a = (b?: string): string => b!;", "lint/style/noNonNullAssertion"],
  ["code/c.ts", "async function a(): Promise<void> {}\na();", "lint/nursery/noFloatingPromises"],
  ["code/d.ts", 'import { a } from "./e.ts";\nexport const b: number = a;', "lint/suspicious/noImportCycles"],
  ["code/e.ts", 'import { b } from "./d.ts";\nexport const a: number = b;', "lint/suspicious/noImportCycles"],
  ["code/f.test.ts", "it.skip('a', () => {});", "lint/suspicious/noSkippedTests"],
];

let folder: string;
let reported: ReadonlyMap<string, ReadonlySet<string>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "yardmaster-lint-"));
  await cp(join(ROOT, "biome.json"), join(folder, "biome.json"));
  await cp(join(ROOT, "lint"), join(folder, "lint"), { recursive: true });
  for (const [file, code] of PROBES) await write(join("packages/yardmaster/src", file), `${code}\n`);
  reported = await lint();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the linter", () => {
  it.each(PROBES)("judges %s: %s → %s", (file, _code, rule) => {
    const rules = reported.get(file) ?? new Set();
    if (rule === ALLOWED) expect([...rules].filter(isOurs)).toEqual([]);
    else expect(rules).toContain(rule);
  });
});

function isOurs(rule: string): boolean {
  return [IMPORTS, GLOBALS, PROPERTIES, "plugin"].includes(rule);
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), text);
}

/** The names of the rules that each file breaks. */
function lint(): Promise<Map<string, Set<string>>> {
  const biome = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
  const args = [biome, "lint", "--vcs-enabled=false", "--reporter=github", "--max-diagnostics=none", "."];
  return new Promise((settle) => {
    execFile(process.execPath, args, { cwd: folder }, (_error, stdout) => {
      const broken = new Map<string, Set<string>>();
      for (const [, rule = "", file = ""] of stdout.matchAll(/title=([^,]+),file=[^,]*src\/([^,]+),/g)) {
        broken.set(file, (broken.get(file) ?? new Set()).add(rule));
      }
      settle(broken);
    });
  });
}
