import type { BrokerHalf } from "../engine.ts";
import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";

export async function openRabbitBroker(_url: string, _host: Host): Promise<BrokerHalf> {
  throw new YardmasterError("UNSUPPORTED", "This engine is not in this version.");
}
