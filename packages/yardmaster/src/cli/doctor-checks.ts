import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import type { ClockReport } from "../client/directory.ts";
import { messageOf } from "../protocol/errors.ts";
import { besideYard } from "./serve-tokens.ts";
import type { Target } from "./target.ts";

/** One thing that was looked at, and what to change about it; `advice` is null where nothing is. */
export interface Check {
  readonly check: "versions" | "clock" | "permissions";
  readonly what: string;
  readonly found: string;
  readonly advice: string | null;
}

/** Delays and schedules are off by as much as clocks differ. */
const MAX_SKEW_MS = 1_000;
const OTHERS = 0o007;
const OTHERS_AND_GROUP = 0o077;
/** By URL: which package speaks to the engine. */
const DRIVERS: Readonly<Record<string, string>> = {
  redis: "@redis/client",
  rediss: "@redis/client",
  postgres: "pg",
  postgresql: "pg",
  amqp: "amqplib",
  amqps: "amqplib",
};

/** What runs here: Yardmaster and the drivers of the yard's engines. */
export function versionChecks(target: Target, own: string): Check[] {
  const isOnSqlite = urlsOf(target).some((url) => /^sqlite:/i.test(url));
  const sqlite = process.versions["sqlite"] ?? "unknown";
  const drivers = new Set(urlsOf(target).flatMap((url) => DRIVERS[url.split(":", 1)[0] ?? ""] ?? []));
  return [
    { check: "versions", what: "yardmaster", found: own, advice: null },
    ...(isOnSqlite ? [{ check: "versions", what: "sqlite", found: sqlite, advice: null } as const] : []),
    ...[...drivers].map((name): Check => {
      const version = versionOf(name);
      const advice = version === null ? `install it: npm install ${name}` : null;
      return { check: "versions", what: name, found: version ?? "not installed", advice };
    }),
  ];
}

export function clockChecks(clocks: readonly ClockReport[]): Check[] {
  return clocks.map(({ shard, aheadMs, withinMs }) => {
    const isOff = Math.abs(aheadMs) > MAX_SKEW_MS + withinMs;
    const side = aheadMs < 0 ? "behind" : "ahead of";
    return {
      check: "clock",
      what: `shard ${shard}`,
      found: `${Math.abs(aheadMs)} ms (± ${withinMs}) ${side} its dispatcher's`,
      advice: isOff
        ? "let both machines keep time by NTP (chrony or systemd-timesyncd): runAt, deadlines and schedules are off by this"
        : null,
    };
  });
}

/** Who may read what lies on this machine: the files of a yard on SQLite, and the tokens. */
export function permissionChecks(target: Target): Check[] {
  const files = urlsOf(target).flatMap((url) => {
    const [, path] = /^sqlite:([^?]+)/i.exec(url) ?? [];
    return path === undefined ? [] : [decodeURIComponent(path)];
  });
  const tokens = besideYard(target);
  return [
    ...files.flatMap((file) =>
      modeCheck(file, OTHERS, `chmod o-rwx ${file}: everybody here can read its tasks`),
    ),
    ...modeCheck(tokens, OTHERS_AND_GROUP, `chmod 600 ${tokens}`),
  ];
}

function modeCheck(file: string, mask: number, advice: string): Check[] {
  if (!existsSync(file)) return [];
  try {
    const mode = statSync(file).mode & 0o777;
    const found = `mode ${mode.toString(8)}`;
    return [{ check: "permissions", what: file, found, advice: (mode & mask) === 0 ? null : advice }];
  } catch (error) {
    return [{ check: "permissions", what: file, found: messageOf(error), advice: `check who owns ${file}` }];
  }
}

function urlsOf(target: Target): string[] {
  return "url" in target ? [target.url] : [target.broker, target.store];
}

/** Of a package as this process would load it; its main file is somewhere below its manifest. */
function versionOf(name: string): string | null {
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    const root = entry.slice(
      0,
      entry.lastIndexOf(`/node_modules/${name}/`) + `/node_modules/${name}/`.length,
    );
    const manifest: unknown = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
    const hasVersion = typeof manifest === "object" && manifest !== null && "version" in manifest;
    return hasVersion ? String(manifest.version) : null;
  } catch {
    return null;
  }
}
