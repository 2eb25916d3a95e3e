import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, it, type TestContext } from "vitest";
import { type Server, ServerMissing } from "../../../servers/server.ts";

/**
 * Starts a server for the tests of a file, which `declare` declares, and ends it after them. Where its program is not
 * installed, one test stands for all of them: it is skipped with the line that installs the program, and fails in CI.
 */
export async function serverTests<S extends Pick<Server, "stop">>(
  name: string,
  start: () => Promise<S>,
  declare: (server: S) => void,
): Promise<void> {
  let server: S;
  try {
    const late = pause(START_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${name} has not started after ${START_MS / 1_000} s.`);
    });
    server = await Promise.race([start(), late]);
  } catch (error) {
    if (!(error instanceof ServerMissing)) throw error;
    describe(name, () => {
      it("is tested on a real server", (context) => {
        if (process.env["CI"] === "true") throw error;
        context.skip(error.message);
      });
    });
    return;
  }
  afterAll(() => server.stop());
  declare(server);
}

/** Starts what one test needs. Where a program is not installed, the test is skipped with the line that installs it, and fails in CI. */
export async function startedFor<T>(context: TestContext, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof ServerMissing) || process.env["CI"] === "true") throw error;
    return context.skip(error.message);
  }
}

/** No limit of the runner covers a file's loading. */
const START_MS = 300_000;
