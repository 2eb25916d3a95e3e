import type { Random } from "./random.ts";

export type Role = "dispatcher" | "worker" | "client";

/** Just before a call leaves its process, or just after its answer came back. */
export type Edge = "before" | "after";

/** How often a crash point was passed, and how often a process crashed right there. */
interface PointCount {
  passed: number;
  crashed: number;
}

/** By name, as `dispatcher engine.commit before`. */
export type PointCounts = Map<string, PointCount>;

export function pointName(role: Role, call: string, edge: Edge): string {
  return `${role} ${call} ${edge}`;
}

/** A crash planned for one run: the process dies the nth time that one of its role comes to the point. */
export interface CrashTarget {
  readonly point: string;
  readonly nth: number;
}

/**
 * The calls of each role that a plan aims at; a crash elsewhere is left to chance. A call that is only made
 * while closing needs a close to happen.
 */
const AIMED: { readonly [R in Role]: readonly string[] } = {
  dispatcher: [
    "broker.declare",
    "broker.receive",
    "broker.send",
    "engine.commit",
    "presence.absent",
    "presence.hold",
    "receiver.take",
    "store.acquire",
    "store.commit",
    "store.holder",
    "store.load",
    "store.parked",
    "store.read",
    "store.renew",
  ],
  worker: ["broker.declare", "broker.receive", "broker.send", "presence.hold", "receiver.take", "store.read"],
  client: ["broker.declare", "broker.receive", "broker.send", "presence.hold", "receiver.take", "store.read"],
};

const AIMED_WHILE_CLOSING: { readonly [R in Role]: readonly string[] } = {
  dispatcher: ["store.release", "presence.release", "receiver.close", "engine.close"],
  worker: ["presence.release", "receiver.close", "broker.remove", "engine.close"],
  client: ["presence.release", "receiver.close", "broker.remove", "engine.close"],
};

/** Calls that an owner makes some time after another process has died. */
const AIMED_AFTER_DEATH: { readonly [R in Role]: readonly string[] } = {
  dispatcher: ["broker.mailboxes", "broker.remove"],
  worker: [],
  client: [],
};

/** A worker reads from the store what is too large for a frame: of few such passages the first is aimed at. */
const RARE: ReadonlySet<string> = new Set(["worker store.read before", "worker store.read after"]);

/** What has to happen so that a point is passed at all. */
type Occasion = "always" | "whileClosing" | "afterDeath";

export interface Aim extends CrashTarget {
  readonly role: Role;
  readonly occasion: Occasion;
}

const AIMS: readonly [Aim, ...Aim[]] = allAims();

/** Draws a crash point evenly among all, then which of its passages. */
export function drawAim(random: Random): Aim {
  const aim = random.pick(AIMS);
  if (aim.occasion !== "always") return aim;
  const nth = random.pick([1, 1, 1, 2, 2, 3, 5, 10, 25, 60]);
  return RARE.has(aim.point) ? aim : { ...aim, nth };
}

function allAims(): readonly [Aim, ...Aim[]] {
  const [first, ...rest] = [
    aimsOf(AIMED, "always"),
    aimsOf(AIMED_WHILE_CLOSING, "whileClosing"),
    aimsOf(AIMED_AFTER_DEATH, "afterDeath"),
  ].flat();
  if (first === undefined) throw new RangeError("There is nothing to aim at");
  return [first, ...rest];
}

function aimsOf(calls: { readonly [R in Role]: readonly string[] }, occasion: Occasion): Aim[] {
  const roles = ["dispatcher", "worker", "client"] as const;
  const edges = ["before", "after"] as const;
  return roles.flatMap((role) =>
    calls[role].flatMap((call) =>
      edges.map((edge) => ({ role, point: pointName(role, call, edge), nth: 1, occasion })),
    ),
  );
}
