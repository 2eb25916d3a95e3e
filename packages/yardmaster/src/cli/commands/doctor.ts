import type { Command } from "commander";
import type { Answer, Health, ShardHealth } from "../../health.ts";
import { YardmasterError } from "../../protocol/errors.ts";
import { connect } from "../../yard.ts";
import { EXIT, exitCodeOf } from "../exit-code.ts";
import { errorLine } from "../output.ts";
import { plain } from "../plain-text.ts";
import { facts } from "../table.ts";
import { engineWaitOf, outputOf, targetOf } from "../target.ts";
import type { Exit } from "../yard-command.ts";

const CLOSE_MS = 2_000;

export function addDoctor(program: Command, exit: Exit): void {
  program
    .command("doctor")
    .description(
      "look at the engine, its durability, the dispatchers and this Node.js; ends with 4 if it is not up",
    )
    .action(async (_: unknown, command: Command) => exit(await doctor(command)));
}

async function doctor(command: Command): Promise<number> {
  const output = outputOf(command);
  let health: Health;
  try {
    const yard = await connect(
      targetOf(command),
      engineWaitOf(command, { ...output, emit: () => undefined }, 0),
    );
    health = await yard.health();
    // What the engine does not answer now was said above.
    await yard.close({ timeoutMs: CLOSE_MS }).catch(() => undefined);
  } catch (error) {
    if (exitCodeOf(error) !== EXIT.unavailable) throw error;
    output.emit(unreachable(error));
    output.say(facts([["node", process.versions.node]]));
    output.note(errorLine(error));
    return EXIT.unavailable;
  }
  output.emit(health);
  output.say(facts(factsOf(health)));
  for (const line of advice(health)) output.note(line);
  return health.isUp ? EXIT.ok : EXIT.unavailable;
}

/** As `Health`, of a yard that could not be opened; `error` says why. */
function unreachable(error: unknown): object {
  const { code, message } = error instanceof YardmasterError ? error : { code: "", message: String(error) };
  const silent: Answer = { isUp: false, tookMs: 0, trouble: message };
  const health: Health = {
    isUp: false,
    engines: [],
    broker: silent,
    store: silent,
    shards: [],
    node: process.versions.node,
  };
  return { ...health, error: { code, message } };
}

function factsOf({ engines, broker, store, shards, node }: Health): [string, string][] {
  return [
    ["node", node],
    ...engines.flatMap(({ engine, isUp, trouble, durability }): [string, string][] => [
      ["engine", plain(`${engine}: ${isUp ? "up" : `not up: ${trouble ?? "no reason given"}`}`)],
      ["durability", plain(durability)],
    ]),
    ["broker", answered(broker)],
    ["store", answered(store)],
    ...shards.map((shard): [string, string] => [`shard ${shard.shard}`, owned(shard)]),
  ];
}

function answered({ isUp, tookMs, trouble }: Answer): string {
  return isUp ? `answered in ${tookMs} ms` : plain(trouble ?? "no answer");
}

function owned({ owner, epoch, lease }: ShardHealth): string {
  if (lease === "none") return "never had a dispatcher";
  const who = `dispatcher ${plain(owner ?? "")}, epoch ${epoch}`;
  return lease === "held" ? who : `free; last held by ${who}`;
}

/** What an operator should do. */
function advice({ engines, shards }: Health): string[] {
  const warnings = engines.flatMap(({ warnings: each }) => each.map((warning) => `warning: ${warning}`));
  const free = shards.filter(({ lease }) => lease !== "held").length;
  if (free === 0) return warnings;
  return [
    ...warnings,
    `${free} of ${shards.length} shards have no dispatcher: start one with yardmaster dispatcher`,
  ];
}
