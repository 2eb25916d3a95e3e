import { answeredWithin } from "../deadline.ts";
import { type Route, route } from "./route.ts";
import { probeAnswer } from "./schemas.ts";

const READY_MS = 2_000;

export const LIVEZ = "/livez";
export const READYZ = "/readyz";

/** For whoever starts and stops processes. They name no secret, so that no token is needed. */
export const probeRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: LIVEZ,
    summary: "Whether the process answers at all.",
    roles: null,
    answer: probeAnswer,
    handle: async () => ({ status: "ok" }),
  }),
  route({
    method: "GET",
    path: READYZ,
    summary: "Whether the store answers.",
    roles: null,
    answer: probeAnswer,
    async handle({ yard, host }) {
      await answeredWithin(host, READY_MS, yard.find({ limit: 1 }));
      return { status: "ok" };
    },
  }),
];
