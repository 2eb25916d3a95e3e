import type { Broker } from "../brokers/broker.ts";
import { controlLane } from "../engine.ts";
import type { Envelope } from "../protocol/envelope.ts";
import { encodeFrame } from "../protocol/frame.ts";

/**
 * Sends to the owner's own control lane, which is transient: an engine that started again may have lost it, and then
 * it is made again. Answers whether the frame is in the lane.
 */
export async function sendToSelf(
  broker: Broker,
  shard: number,
  envelopes: readonly Envelope[],
): Promise<boolean> {
  const mailbox = controlLane(shard);
  const frame = encodeFrame({ from: "", shard, epoch: 0, sequence: 0, envelopes });
  const [outcome] = await broker.send([{ mailbox, frame }]);
  if (outcome === "confirmed") return true;
  await broker.declare(mailbox, { durable: false });
  const [again] = await broker.send([{ mailbox, frame }]);
  return again === "confirmed";
}
