import type { Options } from "amqplib";
import type { Host } from "../host.ts";
import { CLIENT_PREFIX, WORKER_PREFIX } from "../protocol/mailbox.ts";
import { isNotFound, isOtherKind } from "../rabbitmq/failure.ts";
import type { Link } from "../rabbitmq/link.ts";
import type { Broker } from "./broker.ts";
import { RabbitPresence } from "./rabbitmq-presence.ts";
import { Publisher } from "./rabbitmq-publisher.ts";
import { acknowledge, RabbitReceiver } from "./rabbitmq-receiver.ts";

/** A mailbox of a process that is gone ends after this long without a receiver. */
const ABANDONED_MS = 600_000;
/**
 * Poison is counted above, so no delivery may be the last. No limit at all would not do: RabbitMQ 4 sets one of 20, and
 * without one a returned message goes to the end of its queue instead of the front.
 */
const DELIVERY_LIMIT = 1_000_000_000;

export interface RabbitBroker extends Broker {
  /** Closes the receivers: they answer with nothing, and what was acknowledged stays so. */
  close(): Promise<void>;
}

/** The broker of one engine: mailboxes are queues of the default exchange. */
export function createRabbitBroker(options: {
  readonly publishing: Link;
  readonly listening: Link;
  readonly host: Host;
  readonly yard: string;
}): RabbitBroker {
  const { publishing, listening, host, yard } = options;
  const queueOf = (mailbox: string): string => `${yard}:mailbox:${mailbox}`;
  const publisher = new Publisher(publishing, host);
  const receivers = new Set<RabbitReceiver>();
  const declared = new Set<string>();
  listening.listen({
    up: () => {
      for (const receiver of receivers) receiver.hurry();
    },
  });

  return {
    declare: async (mailbox, { durable }) => {
      const kind = durable ? QUORUM : isOfProcess(mailbox) ? CLASSIC_UNTIL_ABANDONED : CLASSIC;
      try {
        await listening.once((channel) => channel.assertQueue(queueOf(mailbox), kind));
      } catch (error) {
        if (!isOtherKind(error)) throw error;
      }
      declared.add(mailbox);
      for (const receiver of receivers) if (receiver.mailbox === mailbox) receiver.hurry();
    },
    remove: async (mailbox) => {
      await listening.once((channel) => channel.deleteQueue(queueOf(mailbox)));
      declared.delete(mailbox);
    },
    send: async (sends, acks = []) => {
      const outcomes = await publisher.send(
        sends.map(({ mailbox, frame }) => ({ queue: queueOf(mailbox), content: frame })),
      );
      acknowledge(acks);
      return outcomes;
    },
    receive: async (mailbox) => {
      const receiver = new RabbitReceiver({
        mailbox,
        queue: queueOf(mailbox),
        link: listening,
        host,
        onEnd: () => receivers.delete(receiver),
      });
      receivers.add(receiver);
      await receiver.open();
      return receiver;
    },
    publish: (mailbox, frame) => publisher.publish({ queue: queueOf(mailbox), content: frame }),
    depth: async (mailbox) => {
      try {
        const { messageCount } = await listening.once((channel) => channel.checkQueue(queueOf(mailbox)));
        let depth = messageCount;
        for (const receiver of receivers) {
          if (receiver.mailbox === mailbox) depth += await receiver.unacknowledged();
        }
        return depth;
      } catch (error) {
        if (isNotFound(error)) return 0;
        throw error;
      }
    },
    mailboxes: async (prefix) => {
      listening.check();
      return [...declared].filter((mailbox) => mailbox.startsWith(prefix));
    },
    presence: new RabbitPresence({
      publishing,
      listening,
      publisher,
      host,
      queueOf: (name) => `${yard}:presence:${name}`,
    }),
    close: async () => {
      await Promise.all([...receivers].map((receiver) => receiver.close()));
    },
  };
}

function isOfProcess(mailbox: string): boolean {
  return mailbox.startsWith(WORKER_PREFIX) || mailbox.startsWith(CLIENT_PREFIX);
}

const QUORUM: Options.AssertQueue = {
  arguments: { "x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT },
};
const CLASSIC: Options.AssertQueue = { arguments: { "x-queue-type": "classic" } };
const CLASSIC_UNTIL_ABANDONED: Options.AssertQueue = { ...CLASSIC, expires: ABANDONED_MS };
