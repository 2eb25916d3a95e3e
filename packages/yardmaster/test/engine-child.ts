import type { Receiver } from "../src/brokers/broker.ts";
import { openEngine } from "../src/connect.ts";
import { systemHost } from "../src/host.ts";
import { frameOf, takeCount, textsOf } from "../src/testing/conformance.ts";

/** A process for the suites: does what its parent asks for, on the engine of the URL that it was started with. */
export interface ChildRequest {
  readonly number: number;
  readonly ask: "hold" | "send" | "take";
  readonly name: string;
  readonly frame: string;
}

export interface ChildAnswer {
  readonly number: number;
  readonly values: readonly string[];
}

const engine = await openEngine(JSON.parse(process.argv[2] ?? ""), systemHost, { shards: 2 });
const receivers = new Map<string, Receiver>();

async function answer({ ask, name, frame }: ChildRequest): Promise<readonly string[]> {
  switch (ask) {
    case "hold":
      await engine.broker.presence.hold(name);
      return [];
    case "send":
      return await engine.broker.send([{ mailbox: name, frame: frameOf(frame) }]);
    case "take": {
      const receiver = receivers.get(name) ?? (await engine.broker.receive(name));
      receivers.set(name, receiver);
      return textsOf(await takeCount(receiver, 1));
    }
  }
}

process.on("message", (request: ChildRequest) => {
  answer(request).then(
    (values) => process.send?.({ number: request.number, values } satisfies ChildAnswer),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once("disconnect", () => process.exit());
process.send?.({ number: 0, values: [] } satisfies ChildAnswer);
