import { type Route, route, streamRoute } from "./route.ts";
import { nameParams } from "./schemas.ts";
import { liveQuery, scheduleTicks, sessionAnswer, shardList } from "./watch-schemas.ts";

/** What whoever looks at the yard asks beside. */
export const watchRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/v1/session",
    summary: "What the token may do.",
    roles: ["viewer", "producer", "operator"],
    answer: sessionAnswer,
    handle: async ({ role, yard }) => ({ role, shards: yard.shardCount }),
  }),
  streamRoute({
    method: "GET",
    path: "/api/v1/live",
    summary: "How the topics stand, and then what changes: one look a second for all who watch.",
    roles: ["viewer", "operator"],
    query: liveQuery,
    handle: ({ feed, query: { topic }, signal }) =>
      feed.watch(typeof topic === "string" ? [topic] : topic, signal),
  }),
  route({
    method: "GET",
    path: "/api/v1/shards",
    summary: "Who dispatches each shard, and what waits in its lanes.",
    roles: ["viewer", "operator"],
    answer: shardList,
    handle: async ({ yard }) => ({ shards: await yard.shards() }),
  }),
  route({
    method: "GET",
    path: "/api/v1/schedules/:name/ticks",
    summary: "When a schedule comes next, and the latest tasks that it made.",
    roles: ["viewer", "operator"],
    params: nameParams,
    answer: scheduleTicks,
    handle: ({ yard, params: { name } }) => yard.schedules.ticks(name),
  }),
];
