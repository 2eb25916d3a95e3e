import { beforeEach, describe, expect, it } from "vitest";
import { InvariantError, YardmasterError } from "../protocol/errors.ts";
import { LAST_ID } from "../protocol/ids.ts";
import type { Store } from "../stores/store.ts";
import { createManualHost, type ManualHost } from "../testing/manual-host.ts";
import { CatalogueWalk } from "./catalogue-walk.ts";

describe("the walk through what is finished", () => {
  let host: ManualHost;
  let looks: number;
  let failed: unknown[];

  beforeEach(() => {
    host = createManualHost();
    looks = 0;
    failed = [];
  });

  function walkThrough(error: Error): CatalogueWalk {
    const store = {
      find: () => {
        looks++;
        return Promise.reject(error);
      },
    } as unknown as Store;
    const kernel = { shard: 0, unwalked: LAST_ID, catalogue: () => undefined };
    const fail = (reason: unknown): void => void failed.push(reason);
    return new CatalogueWalk({ store, kernel, host, isOver: () => false, fail });
  }

  it("begins anew with the next question after an answer that nobody can read", async () => {
    const walk = walkThrough(new YardmasterError("UNSUPPORTED_VERSION", "of a later release"));
    for (let question = 1; question <= 2; question++) {
      walk.start();
      await host.advance(60_000);
      expect(looks).toBe(question);
    }
    expect(failed).toEqual([]);
  });

  it("waits for a store that is away", async () => {
    walkThrough(new YardmasterError("STORE_UNAVAILABLE", "away")).start();
    await host.advance(2_500);
    expect(looks).toBe(3);
  });

  it("hides no fault in our own code", async () => {
    const fault = new InvariantError("impossible");
    walkThrough(fault).start();
    await host.settle();
    expect(failed).toEqual([fault]);
  });
});
