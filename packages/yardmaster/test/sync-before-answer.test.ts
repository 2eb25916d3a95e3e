import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { type PostgresServer, startPostgres } from "../../../servers/postgres.ts";
import { startedFor } from "./server-tests.ts";
import { callsIn, type SystemCall, traced } from "./system-calls.ts";

const CHILD = join(import.meta.dirname, "submit-child.ts");
const MARK = "a-payload-that-a-trace-shows";
const folder = mkdtempSync(join(tmpdir(), "yardmaster-trace-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether the file that the marked bytes were written to was synced before anything else was said. */
function isSyncedFirst(
  calls: readonly SystemCall[],
  log: RegExp,
  isAnswer: (call: SystemCall) => boolean,
): boolean {
  const written = calls.find(({ args }) => log.test(fileOf(args)) && args.includes(MARK));
  if (written === undefined) return false;
  const own = calls.filter(({ pid, begun }) => pid === written.pid && begun > written.ended);
  const synced = own.find(
    ({ name, args }) => /^f(?:data)?sync$/.test(name) && fileOf(args) === fileOf(written.args),
  );
  const answer = own.find(isAnswer);
  if (answer === undefined) throw new Error("Nothing was answered.");
  return synced !== undefined && synced.ended < answer.begun;
}

/** The file that a call's descriptor belongs to. */
function fileOf(args: string): string {
  return /^\d+<([^>]*)>/.exec(args)?.[1] ?? "";
}

describe("a submission is on disk before it is acknowledged", () => {
  it.for([
    ["sqlite:yard.db", true],
    // Declared to be safe from a killed process only: without it, nothing here could fail.
    ["sqlite:fast.db?durability=os", false],
  ] as const)("to %s: %s", async ([url, isSynced], context) => {
    const file = join(folder, `${isSynced}.trace`);
    const place = url.replace("sqlite:", `sqlite:${folder}/`);
    const trace = await startedFor(context, () => traced(file, [process.execPath, CHILD, place, MARK]));
    await trace.ended;
    const calls = callsIn(file);
    const isAnswer = ({ name, args }: SystemCall): boolean =>
      name === "write" && args.includes('"acknowledged ');
    expect(calls.filter(isAnswer)).toHaveLength(1);
    expect(isSyncedFirst(calls, /\.db-wal$/, isAnswer)).toBe(isSynced);
  });

  it.for([
    ["on", true],
    ["off", false],
  ] as const)("to PostgreSQL with synchronous_commit = %s: %s", async ([setting, isSynced], context) => {
    const options = { settings: [`synchronous_commit = ${setting}`, "wal_writer_delay = 10s"] };
    const server: PostgresServer = await startedFor(context, () => startPostgres(options));
    try {
      const file = join(folder, `postgres-${setting}.trace`);
      const pid = Number(readFileSync(join(server.folder, "data/postmaster.pid"), "utf8").split("\n")[0]);
      const trace = await startedFor(context, () => traced(file, pid));
      await promisify(execFile)(process.execPath, [CHILD, server.yardUrl(), MARK]);
      await trace.stop();
      const calls = callsIn(file);
      const isAnswer = ({ name, args }: SystemCall): boolean =>
        name === "sendto" && fileOf(args).startsWith("socket:");
      expect(calls.some(isAnswer)).toBe(true);
      expect(isSyncedFirst(calls, /\/pg_wal\//, isAnswer)).toBe(isSynced);
    } finally {
      await server.stop();
    }
  });
});
