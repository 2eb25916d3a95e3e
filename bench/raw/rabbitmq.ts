import { type Channel, type ConsumeMessage, connect } from "amqplib";
import { startRabbitMq } from "../../servers/rabbitmq.ts";
import { BATCH, type RawEngine } from "./limit.ts";

const QUEUE = "raw";
const PREFETCH = 1_000;

/** Persistent messages through one quorum queue of one node. A frame of a yard is one message for many tasks. */
export async function rabbitLimits(): Promise<RawEngine> {
  const server = await startRabbitMq();
  const connection = await connect(`amqp://${server.address}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
  const send = (body: Buffer): void => void channel.sendToQueue(QUEUE, body, { persistent: true });
  const publish = async (body: Buffer, count: number): Promise<number> => {
    for (let index = 0; index < count; index++) send(body);
    await channel.waitForConfirms();
    return count;
  };
  const version = (await server.control("version")).trim();
  return {
    name: `RabbitMQ ${version} (quorum queue, persistent)`,
    measures: [
      { name: "publish with confirm, one at a time", isRoundTrip: true, run: () => publish(SMALL, 1) },
      { name: `publish with confirm, ${BATCH} at a time`, run: () => publish(SMALL, BATCH) },
      { name: "publish with confirm of 64 KiB, 10 at a time", run: () => publish(LARGE, 10) },
      {
        name: `publish, consume and acknowledge, ${BATCH} at a time`,
        run: async () => {
          await channel.purgeQueue(QUEUE);
          const consumed = consume(channel, BATCH);
          await publish(SMALL, BATCH);
          await consumed;
          return BATCH;
        },
      },
    ],
    close: async () => {
      await connection.close();
      await server.stop();
    },
  };
}

/** Resolves when so many messages have come and were acknowledged. */
async function consume(channel: Channel, count: number): Promise<void> {
  await channel.prefetch(PREFETCH);
  const consumerTag = `raw-${process.hrtime.bigint()}`;
  let [seen, done] = [0, (): void => undefined];
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  await channel.consume(
    QUEUE,
    (message: ConsumeMessage | null) => {
      if (message === null) return;
      channel.ack(message);
      seen += 1;
      if (seen === count) done();
    },
    { consumerTag },
  );
  await all;
  await channel.cancel(consumerTag);
}

const SMALL = Buffer.alloc(100, "x");
const LARGE = Buffer.alloc(64 * 1024, "x");
