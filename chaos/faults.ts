import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../packages/yardmaster/src/sim/random.ts";
import type { Server } from "../servers/server.ts";
import { type Ground, scarcities, takeAway } from "./engine-trouble.ts";
import type { Point } from "./failpoints.ts";
import type { Member, Role, Stage } from "./stage.ts";
import { MAX_AHEAD_MS } from "./wall-clock.ts";

/** What a fault is played on. */
export interface Scene extends Ground {
  readonly stage: Stage;
  /** Whether the engine's servers are two: then a commit and what it sends are not one. */
  readonly isPair: boolean;
  readonly isProxied: boolean;
}

/**
 * Plays a fault to its end: when it resolves, nothing is missing or broken any more. Recovery counts from where `hurt`
 * was called, or from that end.
 */
export type Play = (scene: Scene, random: Random, hurt: () => void) => Promise<void>;

const LEASE_MS = 3_000;

/** The faults that can be played on a scene, by name. */
export function faultsFor(scene: Scene): ReadonlyMap<string, Play> {
  const faults = new Map<string, Play>(Object.entries(PROCESS_FAULTS));
  for (const point of OWNER_POINTS) faults.set(`owner killed at ${point}`, ownerKilledAt(point));
  for (const point of WORKER_POINTS) faults.set(`worker killed at ${point}`, workerKilledAt(point));
  if (scene.isPair) faults.set("owner killed at send.after", ownerKilledAt("send.after"));
  for (const [index, { name }] of scene.engines.servers.entries()) {
    faults.set(`${name} killed`, engineKilled(index));
    faults.set(`${name} frozen`, engineFrozen(index));
  }
  for (const what of scarcities(scene)) faults.set(`no ${what}`, scarce(what));
  if (scene.isProxied) for (const [name, play] of Object.entries(LINK_FAULTS)) faults.set(name, play);
  const alone = [...faults].filter(([name]) => name !== ROLLING);
  faults.set(TWO_AT_ONCE, twoAtOnce(alone));
  return faults;
}

/** All faults in an order drawn anew each time that all have been played. */
export function* drawn(names: readonly string[], random: Random): Generator<string> {
  for (;;) {
    const deck = names.flatMap((name) =>
      name === TWO_AT_ONCE ? Array.from({ length: PAIRS }, () => name) : [name],
    );
    while (deck.length > 0) yield* deck.splice(Math.floor(random.below(deck.length)), 1);
  }
}

const ROLLING = "rolling restart";
const TWO_AT_ONCE = "two at once";
/** The longest that a process may take to be started again. */
const ABSENT_MS = 60_000;
/** How often that is in a deck beside each other fault. */
const PAIRS = 3;

/** Two different faults that overlap. */
function twoAtOnce(faults: readonly [string, Play][]): Play {
  return async (scene, random) => {
    const first = Math.floor(random.below(faults.length));
    const second = (first + random.integer(1, faults.length - 1)) % faults.length;
    await Promise.all(
      [first, second].map(async (index, place) => {
        const [name, play] = faults[index] ?? [];
        scene.stage.recorder.write({ type: "fault", what: `${name} (of two)` });
        await pause(place * random.between(0, 1_000));
        await play?.(scene, random.fork(`${name} of two`), () => undefined);
      }),
    );
  };
}

const OWNER_POINTS: readonly Point[] = ["commit.before", "commit.after", "assign.after"];
const WORKER_POINTS: readonly Point[] = ["assigned", "handler", "effect", "report.before", "report.after"];

const PROCESS_FAULTS: Readonly<Record<string, Play>> = {
  "worker killed": async ({ stage }, random, hurt) => {
    await stage.kill(await one(stage, "worker", random));
    hurt();
    await stage.start("worker");
  },
  "worker frozen": async ({ stage }, random, hurt) => {
    // For less time than silence is allowed, or for more.
    const ms = random.chance(0.5) ? random.between(500, 4_000) : random.between(10_500, 13_000);
    await frozen(stage, await one(stage, "worker", random), { point: null, ms, hurt });
  },
  "owner killed": async ({ stage }, random, hurt) => {
    await stage.kill(await ownerOf(stage, random));
    hurt();
    await stage.start("dispatcher");
  },
  "owner frozen": async ({ stage }, random, hurt) => {
    await frozen(stage, await ownerOf(stage, random), {
      point: null,
      ms: LEASE_MS * random.between(0.5, 2),
      hurt,
    });
  },
  "owner frozen at commit.after": async ({ stage }, random, hurt) => {
    await frozen(stage, await ownerOf(stage, random), { point: "commit.after", ms: 1.5 * LEASE_MS, hurt });
  },
  "owner frozen at commit.before": async ({ stage }, random, hurt) => {
    await frozen(stage, await ownerOf(stage, random), { point: "commit.before", ms: 1.5 * LEASE_MS, hurt });
  },
  "standby killed": async ({ stage }, random) => {
    const owner = await ownerOf(stage, random);
    const standby = stage.of("dispatcher").find((member) => member !== owner);
    if (standby !== undefined) await stage.kill(standby);
    await stage.start("dispatcher");
  },
  "standby killed as it takes over": async ({ stage }, random, hurt) => {
    const owner = await ownerOf(stage, random);
    const standby = stage.of("dispatcher").find((member) => member !== owner);
    const point = random.pick(["acquire.after", "load.after", "commit.after"] as const);
    const taking = standby === undefined ? null : stage.killAt(standby, point);
    await stage.kill(owner);
    await taking;
    hurt();
    await stage.start("dispatcher");
    await stage.start("dispatcher");
  },
  "both dispatchers killed": async ({ stage }, _random, hurt) => {
    await Promise.all(stage.of("dispatcher").map((member) => stage.kill(member)));
    hurt();
    await Promise.all([stage.start("dispatcher"), stage.start("dispatcher")]);
  },
  "clock set": async ({ stage }, random) => {
    const { process } = await ownerOf(stage, random);
    const steps = stage.recorder;
    const set = async (ms: number): Promise<void> => {
      try {
        await process.ask("setClock", ms);
      } catch (error) {
        // Of two faults at once the other one may have killed it, and its clock with it.
        if (process.isAlive) throw error;
      }
    };
    steps.write({ type: "clockSet", isRight: false });
    await set(random.integer(-MAX_AHEAD_MS, MAX_AHEAD_MS));
    await pause(random.between(1_000, 3_000));
    await set(0);
    steps.write({ type: "clockSet", isRight: true });
  },
  "client killed": async ({ stage }) => {
    await stage.kill(stage.client);
    await stage.start("client");
  },
  [ROLLING]: async ({ stage }) => {
    for (const member of stage.all) {
      await stage.start(member.role);
      await stage.close(member);
    }
  },
};

function ownerKilledAt(point: Point): Play {
  return async ({ stage }, random, hurt) => {
    await stage.killAt(await ownerOf(stage, random), point);
    hurt();
    await stage.start("dispatcher");
  };
}

function workerKilledAt(point: Point): Play {
  return async ({ stage }, random, hurt) => {
    await stage.killAt(await one(stage, "worker", random), point);
    hurt();
    await stage.start("worker");
  };
}

function engineKilled(index: number): Play {
  return async ({ engines }, random) => {
    const server = engines.servers[index];
    await server?.kill();
    await pause(random.between(100, 2_000));
    await server?.start();
  };
}

function engineFrozen(index: number): Play {
  return async ({ engines }, random) => {
    const server: Server | undefined = engines.servers[index];
    server?.freeze();
    await pause(random.between(500, 6_000));
    server?.thaw();
  };
}

function scarce(what: "memory" | "disk"): Play {
  return async (scene, random) => {
    const giveBack = await takeAway(what, scene);
    try {
      await pause(random.between(1_000, 4_000));
    } finally {
      await giveBack();
    }
  };
}

const LINK_FAULTS: Readonly<Record<string, Play>> = {
  "link cut": linked(async (links) => {
    for (const link of links) link.cut("reset");
  }),
  "link ended": linked(async (links) => {
    for (const link of links) link.cut("end");
  }),
  "link refused": linked(async (links, random) => {
    for (const link of links) {
      link.refuse(true);
      link.cut("reset");
    }
    await pause(random.between(500, 5_000));
  }),
  "link half-open": linked(async (links, random) => {
    for (const link of links) link.abandon(random.chance(0.7) ? "server" : "client");
  }),
  "link slow": linked(async (links, random) => {
    for (const link of links) {
      link.set("toServer", { type: "delay", ms: random.between(20, 200) });
      link.set("toClient", { type: "slice", bytes: 512, pauseMs: 2 });
    }
    await pause(3_000);
  }),
  "link one way": linked(async (links, random) => {
    const direction = random.pick(["toServer", "toClient"] as const);
    for (const link of links) link.set(direction, { type: "drop" });
    await pause(random.between(500, 6_000));
    // What was dropped is missing for good.
    for (const link of links) link.cut("reset");
  }),
  "link cut before the reply": linked(async (links) => {
    for (let time = 0; time < 3; time += 1) {
      await Promise.race([Promise.all(links.map((link) => link.cutBeforeReply())), pause(500)]);
    }
  }),
};

/** A fault of one process's links to its engine: to all servers, or to one of them. */
function linked(play: (links: Member["links"], random: Random) => Promise<void>): Play {
  return async ({ stage }, random) => {
    const role = random.pick(["owner", "worker", "client"] as const);
    const member = role === "owner" ? await ownerOf(stage, random) : await one(stage, role, random);
    const [first, second] = member.links;
    const chosen = random.pick(["both", "first", "second"] as const);
    const links = [first, second].filter((link) => link !== undefined);
    const some = links.filter((link) => chosen === "both" || link === (chosen === "first" ? first : second));
    await play(some.length === 0 ? links : some, random);
    stage.healLinks();
  };
}

interface Freeze {
  readonly point: Point | null;
  readonly ms: number;
  hurt(): void;
}

async function frozen(stage: Stage, member: Member, { point, ms, hurt }: Freeze): Promise<void> {
  await stage.freezeAt(member, point);
  hurt();
  await pause(ms);
  stage.thaw(member);
}

/** Who owns the shard, or any dispatcher while nobody says so. */
async function ownerOf(stage: Stage, random: Random): Promise<Member> {
  return (await stage.owner()) ?? (await one(stage, "dispatcher", random));
}

/** Waits for one to be there: of two faults at once the other may have killed them all. */
async function one(stage: Stage, role: Role, random: Random): Promise<Member> {
  const until = performance.now() + ABSENT_MS;
  for (;;) {
    const members = stage.of(role);
    const member = members[Math.floor(random.below(members.length))];
    if (member !== undefined) return member;
    if (performance.now() > until) throw new Error(`There is no ${role}.`);
    await pause(50);
  }
}
