import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "yardmaster";
import { Member } from "../../demo/fleet.ts";
import { type Address, BadPlace, ENGINE_NAMES, openPlace, placeOf } from "../../servers/engines.ts";
import { ServerMissing } from "../../servers/server.ts";
import { FEATURES } from "./all-features.ts";
import { type Feature, Stage, until } from "./feature.ts";

/*
 * Plays every feature on a yard of real processes: a dispatcher that owns it, one that stands by, and workers. When all
 * features are half way, the owner is killed, and they must end under its successor as if nothing had happened.
 * Prints one line for each, and ends with 1 when one failed, 2 for a wrong command line, 3 without the engine's program.
 */

const USAGE = `npm run features -- [--only NAME] [--engine NAME | --url URL | --broker URL --store URL]
engines: ${ENGINE_NAMES.join(", ")}
features: ${FEATURES.map(({ name }) => JSON.stringify(name)).join(", ")}`;
const LIMIT_MS = 120_000;
const SLOTS = 60;
/** What this process ends with. */
const EXIT = { played: 0, failed: 1, usage: 2, serverMissing: 3 } as const;

/** The processes of a run. */
class Crew {
  readonly #members: Member[] = [];

  async start(address: Address, title: string, ...args: string[]): Promise<Member> {
    const member = new Member(title, args, address);
    this.#members.push(member);
    await member.ready;
    return member;
  }

  async end(): Promise<void> {
    await Promise.all(this.#members.filter(({ isAlive }) => isAlive).map((member) => member.kill()));
  }
}

async function main(): Promise<number> {
  const { only, ...place } = parseArgs({
    args: process.argv.slice(2),
    options: {
      only: { type: "string", default: "" },
      url: { type: "string" },
      broker: { type: "string" },
      store: { type: "string" },
      engine: { type: "string" },
    },
  }).values;
  const features = FEATURES.filter(({ name }) => name.includes(only));
  if (features.length === 0) throw new BadPlace(`there is no feature ${only}`);
  const engines = await openPlace(placeOf(place, process.env));
  const crew = new Crew();
  const folder = mkdtempSync(join(tmpdir(), "yardmaster-features-"));
  try {
    const failed = await Promise.race([playAll(features, crew, engines.address(), folder), tooLate()]);
    return failed === 0 ? EXIT.played : EXIT.failed;
  } finally {
    await crew.end();
    await engines.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Answers how many failed. */
async function playAll(
  features: readonly Feature[],
  crew: Crew,
  address: Address,
  folder: string,
): Promise<number> {
  const owner = await crew.start(address, "owner", "dispatcher");
  const standby = await crew.start(address, "standby", "dispatcher");
  const file = (name: string): string => join(import.meta.dirname, name);
  const general = ["worker", file("worker.ts"), "--slots", String(SLOTS)];
  const placing = ["worker", file("placement-worker.ts"), "--slots", "4", "--resource", "cpu=4"];
  const workers = await Promise.all([
    crew.start(address, "worker 1", ...general),
    crew.start(address, "worker 2", ...general),
    crew.start(address, "worker a", ...placing, "--label", "zone=a"),
    crew.start(address, "worker b", ...placing, "--label", "zone=b"),
    crew.start(address, "worker q", "worker", file("queue-worker.ts"), "--slots", "1"),
  ]);
  const yard = await connect(address);
  try {
    const stage = new Stage(yard, folder);
    // What counts on an idle worker must not begin before that is known.
    const allKnown = (): Promise<void> =>
      until("all workers to be known", async () => {
        const known = await yard.workers();
        return known.filter(({ registered }) => registered).length === workers.length;
      });
    await allKnown();
    const begun = await Promise.allSettled(features.map((feature) => feature.begin(stage)));
    if (owner.tookShardAt === 0) throw new Error("the first dispatcher does not own the shard");
    const killedAt = Date.now();
    await owner.kill();
    await until("the standby to take over", async () => standby.tookShardAt > killedAt);
    console.log(`the owner was killed; its successor took over after ${standby.tookShardAt - killedAt} ms`);
    await allKnown();
    const ended = await Promise.allSettled(
      begun.map(async (begin) => {
        if (begin.status === "rejected") throw begin.reason;
        await begin.value();
      }),
    );
    for (const [index, end] of ended.entries()) {
      const name = features[index]?.name;
      if (end.status === "fulfilled") console.log(`ok      ${name}`);
      else console.log(`FAILED  ${name}: ${end.reason instanceof Error ? end.reason.stack : end.reason}`);
    }
    return ended.filter(({ status }) => status === "rejected").length;
  } finally {
    await yard.close({ timeoutMs: 1_000 }).catch(() => undefined);
  }
}

function tooLate(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the run took longer than ${LIMIT_MS / 1_000} s`)), LIMIT_MS).unref();
  });
}

try {
  process.exit(await main());
} catch (error) {
  const isUsage = error instanceof BadPlace || error instanceof TypeError;
  const isMissing = error instanceof ServerMissing;
  if (isUsage) console.error(`${error.message}\n${USAGE}`);
  else console.error(isMissing ? error.message : error);
  process.exit(isUsage ? EXIT.usage : isMissing ? EXIT.serverMissing : EXIT.failed);
}
