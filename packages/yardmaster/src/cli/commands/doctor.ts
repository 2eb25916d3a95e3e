import type { Command } from "commander";
import type { Answer, Health, ShardHealth } from "../../health.ts";
import { YardmasterError } from "../../protocol/errors.ts";
import { connect, type Yard } from "../../yard.ts";
import { type Check, clockChecks, permissionChecks, versionChecks } from "../doctor-checks.ts";
import { EXIT, exitCodeOf } from "../exit-code.ts";
import { exposure } from "../exposure.ts";
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
      "look at the engine, durability, dispatchers, versions, clocks and permissions; ends with 4 if it is not up",
    )
    .action(async (_: unknown, command: Command) => exit(await doctor(command)));
}

async function doctor(command: Command): Promise<number> {
  const output = outputOf(command);
  const target = targetOf(command);
  let health: Health;
  let checks: readonly Check[];
  try {
    const yard = await connect(target, engineWaitOf(command, { ...output, emit: () => undefined }, 0));
    health = await yard.health();
    checks = [
      ...versionChecks(target, versionOf(command)),
      ...(await clocksOf(yard, health)),
      ...permissionChecks(target),
    ];
    // What the engine does not answer now was said above.
    await yard.close({ timeoutMs: CLOSE_MS }).catch(() => undefined);
  } catch (error) {
    if (exitCodeOf(error) !== EXIT.unavailable) throw error;
    output.emit(unreachable(error));
    output.say(facts([["node", process.versions.node]]));
    output.note(errorLine(error));
    return EXIT.unavailable;
  }
  output.emit({ ...health, checks });
  output.say(facts([...factsOf(health), ...checks.map(checked)]));
  const { security } = engineWaitOf(command, output, 0);
  const exposed = exposure(targetOf(command), security !== undefined);
  for (const line of [...exposed, ...advice(health), ...checks.flatMap(advised)]) output.note(line);
  return health.isUp ? EXIT.ok : EXIT.unavailable;
}

/** A clock is compared with those of dispatchers that answer. */
async function clocksOf(yard: Yard, { shards }: Health): Promise<Check[]> {
  const found = "not compared: a shard has no dispatcher that answers";
  const silent: readonly Check[] = [{ check: "clock", what: "this machine", found, advice: null }];
  if (shards.length === 0 || shards.some(({ lease }) => lease !== "held")) return [...silent];
  return yard.clocks().then(clockChecks, () => [...silent]);
}

function checked({ check, what, found }: Check): [string, string] {
  return check === "versions" ? [plain(what), plain(found)] : [check, plain(`${what}: ${found}`)];
}

function advised({ check, what, found, advice: change }: Check): string[] {
  return change === null ? [] : [`warning: ${check} of ${what} (${found}): ${change}`];
}

function versionOf(command: Command): string {
  return command.parent?.version() ?? "unknown";
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
