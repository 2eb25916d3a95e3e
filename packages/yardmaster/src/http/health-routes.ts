import type { Health } from "../health.ts";
import type { Host } from "../host.ts";
import { YardmasterError } from "../protocol/errors.ts";
import type { Yard } from "../yard.ts";
import { type Route, route } from "./route.ts";
import { health, probeAnswer } from "./schemas.ts";

/** Whoever probes often, and anybody may, asks the engine no more often than this. */
const FRESH_MS = 2_000;

export const healthRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/v1/health",
    summary: "How the engines are, and who dispatches which shard.",
    roles: ["viewer", "operator"],
    answer: health,
    handle: ({ yard, host }) => recentHealth(yard, host),
  }),
  route({
    method: "GET",
    path: "/livez",
    summary: "Whether the process answers at all.",
    roles: null,
    answer: probeAnswer,
    handle: async () => ({ status: "ok" }),
  }),
  route({
    method: "GET",
    path: "/readyz",
    summary:
      "Whether the engines are up and have answered just now; where a dispatcher runs in the process, also whether each shard is held, by it or by another.",
    roles: null,
    answer: probeAnswer,
    async handle({ yard, host, dispatches }) {
      const { isUp, shards } = await recentHealth(yard, host);
      // Why not, `/api/v1/health` tells those who may know.
      if (!isUp) throw new YardmasterError("BROKER_UNAVAILABLE", "The yard's engine does not answer.");
      if (dispatches && !shards.every(({ lease }) => lease === "held"))
        throw new YardmasterError("BROKER_UNAVAILABLE", "No dispatcher holds one of the yard's shards.");
      return { status: "ok" };
    },
  }),
];

interface Look {
  readonly at: number;
  readonly health: Promise<Health>;
}

const looks = new WeakMap<Yard, Look>();

function recentHealth(yard: Yard, host: Host): Promise<Health> {
  const now = host.monotonic();
  const last = looks.get(yard);
  if (last !== undefined && now - last.at < FRESH_MS) return last.health;
  const asked = yard.health();
  looks.set(yard, { at: now, health: asked });
  return asked;
}
