import fc from "fast-check";
import { startClient } from "../../src/client/client.ts";
import { defineTask } from "../../src/definition.ts";
import { startDispatcherOn } from "../../src/dispatcher/dispatcher.ts";
import { createMemoryWorld } from "../../src/memory/world.ts";
import { messageOf } from "../../src/protocol/errors.ts";
import { createManualHost, type ManualHost } from "../../src/testing/manual-host.ts";
import { createHandlers } from "../../src/worker/handlers.ts";
import { startWorkerOn } from "../../src/worker/worker.ts";
import { type Ending, expectLoggable, expectPristine, MARK } from "./judgement.ts";
import { meaningMutant } from "./meaning-mutants.ts";
import { FRAME_COUNT, frameMutant } from "./mutants.ts";
import { type Target, target } from "./target.ts";

const seed = fc.nat(2 ** 31 - 1);
const mutant = fc.record({
  vector: fc.nat(FRAME_COUNT - 1),
  steps: fc.array(seed, { maxLength: 3 }),
  isForWorker: fc.boolean(),
  isReadable: fc.boolean(),
});
type Mutant = typeof mutant extends fc.Arbitrary<infer Value> ? Value : never;

const echo = defineTask({ name: "echo" });
const { on } = createHandlers();
const HANDLERS = [on(echo, ({ input }) => input)];

/**
 * A real client and a real worker, in whose mailboxes a stranger puts frames: neither of them ends or hangs by it, what
 * the worker reports fits into a log, and another worker and client of the yard notice nothing.
 */
async function deceived(mutants: readonly Mutant[]): Promise<Ending> {
  const host = createManualHost();
  const world = createMemoryWorld(host);
  const dispatcher = await startDispatcherOn({ engine: world.open(), host });
  const reports: string[] = [];
  const report = (what: string, error: unknown): void => void reports.push(`${what}: ${messageOf(error)}`);
  const submit = async (): Promise<never> => Promise.reject(new Error("Nobody submits here."));
  const options = { host, handlers: HANDLERS, slots: 2, submit };
  const worker = await startWorkerOn({ ...options, engine: world.open(), id: "target", report });
  const engine = world.open();
  const client = await startClient({ engine, host });
  await host.settle();
  const [mailbox = ""] = await engine.broker.mailboxes("client:");
  const sends = mutants.map(({ vector, steps, isForWorker, isReadable }) => ({
    mailbox: isForWorker ? worker.mailbox : mailbox,
    frame: isReadable ? meaningMutant(vector, steps) : frameMutant(vector, steps),
  }));
  const told = (error: unknown): void => void reports.push(messageOf(error));
  const waiting = client
    .submit(echo, { secret: MARK })
    .then((task) => task.settled({ timeoutMs: 60_000 }))
    .then((end) => (end.ok ? undefined : told(end.error)), told);
  await engine.broker.send(sends);
  await host.advance(5_000);
  const other = await startWorkerOn({ ...options, engine: world.open(), id: "other" });
  const neighbour = await startClient({ engine: world.open(), host });
  await host.advance(1_000);
  await host.advance(30_000);
  const [end] = await driven(host, [neighbour.submit(echo, { secret: MARK }).then((task) => task.settled())]);
  if (end?.ok !== true) throw new Error("A neighbour's task has failed.", { cause: end });
  const wasReported = reports.length > 0;
  const closing: readonly Promise<unknown>[] = [
    client.close(),
    neighbour.close(),
    worker.close(),
    other.close(),
    dispatcher.close(),
  ];
  await driven(host, [...closing, waiting]);
  for (const line of reports) expectLoggable(line);
  expectPristine();
  return wasReported ? "reported" : "taken";
}

async function driven<T>(host: ManualHost, promises: readonly Promise<T>[]): Promise<T[]> {
  let isDone = false;
  const all = Promise.all(promises).finally(() => {
    isDone = true;
  });
  all.catch(() => undefined);
  for (let tries = 0; !isDone && tries < 300; tries += 1) await host.advance(500);
  if (!isDone) throw new Error("It takes longer than two minutes.");
  return all;
}

export const MAILBOX_TARGETS: readonly Target[] = [
  target("mailboxes", fc.array(mutant, { minLength: 1, maxLength: 8 }), deceived),
];
