import { describe, expect, it } from "vitest";
import { FaultProxy } from "../../../../servers/proxy.ts";
import type { EngineAddress } from "../../src/engine.ts";
import { type Actor, Cast } from "./actors.ts";
import { passed, RATE, recovered } from "./engine-faults.ts";

export interface NetworkScene {
  readonly name: string;
  /** The server that the network leads to: as a URL with host and port. */
  url(): string;
  /** The address of a yard that is reached through this URL. */
  address(url: string): EngineAddress | ((folder: string) => EngineAddress);
}

const FAULT_MS = 1_500;
/** A connection that is dead without a word is given up after 10 s of silence at the latest. */
const SILENT_MS = 30_000;

const FAULTS: Readonly<Record<string, (proxy: FaultProxy) => Promise<void>>> = {
  "is reset": async (proxy) => proxy.cut("reset"),
  "is ended in order": async (proxy) => proxy.cut("end"),
  "drops what is sent, then is reset": (proxy) => dropping(proxy, "toServer"),
  "drops what is answered, then is reset": (proxy) => dropping(proxy, "toClient"),
  "is refused for a while": async (proxy) => {
    proxy.refuse(true);
    proxy.cut("reset");
    await passed(FAULT_MS);
    proxy.refuse(false);
  },
  "is slow": async (proxy) => {
    proxy.set("toServer", { type: "delay", ms: 100 });
    proxy.set("toClient", { type: "slice", bytes: 4_096, pauseMs: 5 });
    await passed(FAULT_MS);
    proxy.set("toServer", { type: "pass" });
    proxy.set("toClient", { type: "pass" });
  },
  "is cut when the server has acted and before it answers": async (proxy) => {
    for (let time = 0; time < 5; time += 1) {
      await proxy.cutBeforeReply();
      await passed(FAULT_MS / 5);
    }
  },
  "is dead without a word on the server's side": async (proxy) => proxy.abandon("server"),
};

async function dropping(proxy: FaultProxy, direction: "toServer" | "toClient"): Promise<void> {
  proxy.set(direction, { type: "drop" });
  await passed(FAULT_MS);
  proxy.cut("reset");
  proxy.set(direction, { type: "pass" });
}

/** Numbers of which there was more than one task: a submission with an unknown outcome is repeated with its key. */
function madeTwice(cast: Cast): number[] {
  const ids = new Map<number, string>();
  return cast.runs().flatMap(({ id, number }) => {
    const first = ids.get(number) ?? id;
    ids.set(number, first);
    return first === id ? [] : [number];
  });
}

/** What becomes of a yard when the network between one of its processes and the engine fails. */
export function networkFaults(scene: NetworkScene): void {
  describe(`the network to ${scene.name}`, () => {
    for (const role of ["dispatcher", "worker", "producer"] as const) {
      it(`may fail in every way for a ${role}`, { timeout: 300_000 }, async () => {
        const url = new URL(scene.url());
        const proxy = await FaultProxy.start(Number(url.port));
        const cast = new Cast(scene.address(url.href));
        try {
          const through = new URL(url);
          through.port = String(proxy.port);
          const behind = scene.address(through.href);
          const address = typeof behind === "function" ? behind(cast.folder) : behind;
          const started: Actor[] = [];
          for (const each of ["dispatcher", "worker", "worker", "producer"] as const) {
            const isBehind = each === role && started.every((actor) => actor.role !== role);
            started.push(await cast.start(each, { rate: RATE, ...(isBehind ? { address } : {}) }));
          }
          const producer = started.at(-1);
          if (producer === undefined) throw new Error("There is no producer.");
          for (const [fault, play] of Object.entries(FAULTS)) {
            await play(proxy);
            const within = recovered(producer, Date.now(), 0.8 * RATE, SILENT_MS);
            await within.catch((error: unknown) => {
              throw new Error(`After a connection that ${fault}: ${String(error)}`);
            });
          }
          const { acknowledged, done, wrong, failures } = await producer.tally();
          expect({ lost: acknowledged - done, wrong, failures }).toEqual({ lost: 0, wrong: 0, failures: [] });
          expect(madeTwice(cast)).toEqual([]);
          expect(new Set(cast.runs().map(({ number }) => number)).size).toBe(done);
          expect(started.map(({ isAlive, role: each }) => isAlive || each === "producer")).not.toContain(
            false,
          );
        } finally {
          await cast.close();
          await proxy.close();
        }
      });
    }
  });
}
