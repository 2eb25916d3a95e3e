import { describe, expect, it } from "vitest";
import { ENGINE_NAMES, startEngines } from "../../../servers/engines.ts";
import { openEngine } from "../src/connect.ts";
import type { Engine } from "../src/engine.ts";
import { systemHost } from "../src/host.ts";
import { startedFor } from "./server-tests.ts";

describe("the number of shards of a yard", () => {
  it.for(ENGINE_NAMES)(
    "is what it was created with on %s, whatever others ask for",
    async (name, context) => {
      const engines = await startedFor(context, () => startEngines(name));
      const opened: Engine[] = [];
      const open = async (address: ReturnType<typeof engines.address>, shards?: number): Promise<number> => {
        const engine = await openEngine(address, systemHost, shards === undefined ? {} : { shards });
        opened.push(engine);
        return engine.shards;
      };
      try {
        const address = engines.address();
        expect(await open(address, 3)).toBe(3);
        expect(await open(address, 5)).toBe(3);
        expect(await open(address)).toBe(3);
        // Several at once agree on one of their numbers.
        const crowd = engines.address();
        const numbers = [2, 4, 6];
        const found = new Set(await Promise.all(numbers.map((shards) => open(crowd, shards))));
        expect(found.size).toBe(1);
        expect(numbers).toEqual(expect.arrayContaining([...found]));
      } finally {
        for (const engine of opened) await engine.close({ timeoutMs: 1_000 });
        await engines.stop();
      }
    },
  );
});
