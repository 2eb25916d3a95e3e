import type { Engine } from "../engine.ts";
import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";

export async function openRedisEngine(
  _url: string,
  _host: Host,
  _options: { readonly shards: number },
): Promise<Engine> {
  throw new YardmasterError("UNSUPPORTED", "This engine is not in this version.");
}
