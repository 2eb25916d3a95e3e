import type { Host } from "../host.ts";
import { createMemoryWorld, type MemoryEngine, type MemoryWorld } from "./world.ts";

/** The yards in the memory of this process, by name. A yard goes with the last engine on it. */
const yards = new Map<string, { readonly world: MemoryWorld; users: number }>();

/** Opens the yard `name`, which the first to open it creates with that many shards. */
export function openMemoryYard(
  name: string,
  host: Host,
  options: { readonly shards?: number },
): MemoryEngine {
  const yard = yards.get(name) ?? { world: createMemoryWorld(host, options), users: 0 };
  yards.set(name, yard);
  yard.users += 1;
  const engine = yard.world.open(host);
  let left = false;
  const leave = (): void => {
    if (left) return;
    left = true;
    yard.users -= 1;
    if (yard.users === 0) yards.delete(name);
  };
  return {
    ...engine,
    crash: () => {
      engine.crash();
      leave();
    },
    close: async (options) => {
      await engine.close(options);
      leave();
    },
  };
}
