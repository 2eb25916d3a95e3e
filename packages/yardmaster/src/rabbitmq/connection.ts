import type { Duplex } from "node:stream";
import type { ChannelModel } from "amqplib";
import { YardmasterError } from "../protocol/errors.ts";
import { type RabbitAddress, whereIs } from "./address.ts";
import { translate } from "./failure.ts";

/** For every await on the network. */
export const DEADLINE_MS = 10_000;

const HEARTBEAT_SECONDS = 5;
/** The first with quorum queues that are fit for use. */
const OLDEST = { major: 3, minor: 8 };

/** Loads the driver and answers how to connect. Throws DRIVER_MISSING. */
export async function loadConnector(
  address: RabbitAddress,
): Promise<(name: string) => Promise<ChannelModel>> {
  const { connect } = await loadDriver();
  const { protocol, hostname, port, username, password, yard } = address;
  // The driver decodes the vhost once more.
  const vhost = encodeURIComponent(address.vhost);
  const options = { protocol, hostname, port, username, password, vhost, heartbeat: HEARTBEAT_SECONDS };
  return async (name) => {
    try {
      const model = await connect(options, {
        noDelay: true,
        timeout: DEADLINE_MS,
        clientProperties: { connection_name: `yardmaster ${yard} ${name}` },
      });
      // Without a listener Node would end the process; what matters comes with "close".
      model.on("error", () => undefined);
      return model;
    } catch (error) {
      throw translate(error, whereIs(address));
    }
  };
}

/** The server's product and version. Throws ENGINE_DENIED when it is too old or something else. */
export function checkServer({ connection }: Pick<ChannelModel, "connection">, where: string): string {
  const { product, version } = connection.serverProperties;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNewEnough = major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
  if (product === "RabbitMQ" && isNewEnough) return `${product} ${version}`;
  throw new YardmasterError(
    "ENGINE_DENIED",
    `The server at ${where} is ${product} ${version}, and this needs quorum queues: use RabbitMQ ${OLDEST.major}.${OLDEST.minor} or newer.`,
  );
}

/** Ends a connection's socket: the driver leaves it half open when the other side is silent. */
export function destroySocket(model: ChannelModel): void {
  // The driver's types do not show the stream.
  const { stream } = model.connection as unknown as { readonly stream: Duplex };
  stream.destroy();
}

async function loadDriver(): Promise<typeof import("amqplib")> {
  try {
    return await import("amqplib");
  } catch (error) {
    const message = "The driver for RabbitMQ is not installed. To install it: npm install amqplib";
    throw new YardmasterError("DRIVER_MISSING", message, { cause: error });
  }
}
