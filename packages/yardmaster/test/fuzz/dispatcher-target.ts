import { inspect } from "node:util";
import fc from "fast-check";
import { controlLane, type Engine, submitLane } from "../../src/engine.ts";
import { isLine } from "../../src/protocol/check.ts";
import { decodeFrame } from "../../src/protocol/frame.ts";
import { decodeQueue, decodeRecord, encodeQueue, encodeRecord } from "../../src/protocol/record.ts";
import { Stage } from "../../src/testing/dispatcher-stage.ts";
import { type Ending, expectLoggable, expectPristine, MARK } from "./judgement.ts";
import { meaningMutant } from "./meaning-mutants.ts";
import { FRAME_COUNT, frameMutant } from "./mutants.ts";
import { type Target, target } from "./target.ts";

const seed = fc.nat(2 ** 31 - 1);
const mutant = fc.record({
  vector: fc.nat(FRAME_COUNT - 1),
  steps: fc.array(seed, { maxLength: 3 }),
  isControl: fc.boolean(),
  isReadable: fc.boolean(),
  copies: fc.integer({ min: 1, max: 2 }),
});
type Mutant = typeof mutant extends fc.Arbitrary<infer Value> ? Value : never;

/** An honest task may be started again for what a stranger claims, but ends in time. */
const TRIES = 40;
const STEP_MS = 2_000;

/**
 * A real dispatcher with an honest client and worker, whose lanes a stranger fills: whatever the frames say, the honest
 * task runs, the dispatcher keeps its shard, and what it tells its operator fits into a log.
 */
async function besieged(mutants: readonly Mutant[]): Promise<Ending> {
  const stage = new Stage();
  try {
    await stage.dispatcher("one", { wrap: thatWrites });
    const worker = await stage.actor("worker:honest");
    const client = await stage.actor("client:honest");
    await worker.register("honest");
    const payload = JSON.stringify({ secret: MARK });
    const first = stage.submission({ replyTo: "client:honest", payload });
    const second = stage.submission({ replyTo: "client:honest", payload });
    await client.say(submitLane(0), [{ type: "submit", submission: first }]);
    const sends = mutants.flatMap(({ vector, steps, isControl, isReadable, copies }) => {
      const frame = isReadable ? meaningMutant(vector, steps) : frameMutant(vector, steps);
      return Array.from({ length: copies }, () => ({
        mailbox: isControl ? controlLane(0) : submitLane(0),
        frame,
      }));
    });
    await client.engine.broker.send(sends);
    await stage.host.settle();
    await client.say(submitLane(0), [{ type: "submit", submission: second }]);
    await untilSettled(stage, [first.id, second.id], worker, client);
    for (const alarm of stage.alarms) {
      expectLoggable(alarm.message);
      if (inspect(alarm, { depth: 10 }).includes(MARK))
        throw new Error(`The alarm ${alarm.code} has a payload.`);
    }
    expectPristine();
    const codes = [...new Set(stage.codes)].sort().join(" ");
    return sends.some(({ frame }) => canBeRead(frame)) ? `taken, ${codes}` : `refused, ${codes}`;
  } finally {
    await stage.close();
  }
}

/** Real stores keep bytes: what cannot be written is refused by them, and not by memory. */
function thatWrites(engine: Engine): Engine {
  return {
    ...engine,
    commit: (tick) => {
      for (const change of tick.changes) {
        if ("task" in change) decodeRecord(encodeRecord(change.task));
        if ("queue" in change) decodeQueue(encodeQueue(change.queue));
        if ("keepUntil" in change && !Number.isSafeInteger(change.keepUntil))
          throw new Error("keepUntil is no integer");
        if (change.type === "key" && !Number.isSafeInteger(change.key.expiresAt))
          throw new Error("A key's end is no integer");
        if (change.type === "row" && !isLine(change.kind + change.key.replace("\n", "")))
          throw new Error("A row's key is no line");
      }
      return engine.commit(tick);
    },
  };
}

type Player = Awaited<ReturnType<Stage["actor"]>>;

async function untilSettled(
  stage: Stage,
  ids: readonly string[],
  worker: Player,
  client: Player,
): Promise<void> {
  let answered = 0;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const settled = new Set(client.all("settled").map(({ id }) => id));
    if (ids.every((id) => settled.has(id))) return;
    const assigned = worker.heard.flatMap(({ epoch, envelopes }) =>
      envelopes.flatMap((one) => (one.type === "assign" ? [{ ...one, epoch }] : [])),
    );
    for (const { id, epoch, attempt } of assigned.slice(answered)) await worker.succeed(id, epoch, attempt);
    answered = assigned.length;
    if (worker.all("takeover").length > 0 || worker.all("heartbeatAnswer").some(({ known }) => !known))
      await worker.register("honest");
    await worker.beat("honest");
    await stage.host.advance(STEP_MS);
  }
  throw new Error(`The honest tasks have not ended: ${JSON.stringify(stage.alarms.slice(-5))}`);
}

function canBeRead(frame: Buffer): boolean {
  try {
    decodeFrame(frame);
    return true;
  } catch {
    return false;
  }
}

export const DISPATCHER_TARGETS: readonly Target[] = [
  target("a dispatcher's lanes", fc.array(mutant, { minLength: 1, maxLength: 12 }), besieged),
];
