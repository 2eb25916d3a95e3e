import { createRabbitBroker } from "../brokers/rabbitmq.ts";
import { endedWithin } from "../deadline.ts";
import type { BrokerHalf } from "../engine.ts";
import type { Host } from "../host.ts";
import { parseRabbitUrl, whereIs } from "./address.ts";
import { checkServer, destroySocket, loadConnector } from "./connection.ts";
import { Link } from "./link.ts";

/**
 * Opens a RabbitMQ server as broker: a connection that publishes now, and one that does everything else with the first
 * need of it. They are two because the server stops reading from those that publish while it has an alarm, and
 * acknowledgements must reach it then. Throws INVALID_URL, DRIVER_MISSING, ENGINE_DENIED or BROKER_UNAVAILABLE.
 */
export async function openRabbitBroker(url: string, host: Host): Promise<BrokerHalf> {
  const address = parseRabbitUrl(url);
  const where = whereIs(address);
  const connect = await loadConnector(address);
  let server = "";
  const linkOf = (name: string): Link =>
    new Link({
      host,
      where,
      connect: async () => {
        const model = await connect(name);
        try {
          server = checkServer(model, where);
        } catch (error) {
          destroySocket(model);
          throw error;
        }
        return model;
      },
    });
  const publishing = linkOf("publishes");
  const listening = linkOf("listens");
  await publishing.open();
  const broker = createRabbitBroker({ publishing, listening, host, yard: address.yard });
  return {
    broker,
    report: () => {
      const trouble = publishing.trouble ?? listening.trouble ?? alarmOf(publishing);
      return [
        {
          engine: `${server} at ${where}, vhost ${address.vhost}`,
          isUp: trouble === null,
          trouble,
          durability: DURABILITY,
          warnings: [],
        },
      ];
    },
    close: async ({ timeoutMs }) => {
      const until = host.monotonic() + timeoutMs;
      await endedWithin(host, timeoutMs, broker.close());
      const leftMs = Math.max(0, until - host.monotonic());
      await Promise.all([publishing.close(leftMs), listening.close(leftMs)]);
    },
  };
}

function alarmOf({ blockedBy }: Link): string | null {
  return blockedBy === null ? null : `The server takes no messages: ${blockedBy}.`;
}

const DURABILITY =
  "Confirmed submissions are on the disks of most replicas of a quorum queue (one for each node of the cluster, three at most, unless the server is set otherwise); what workers and clients are told is kept in memory and repeated.";
