import { YardmasterError } from "../protocol/errors.ts";
import { type Route, route, streamRoute } from "./route.ts";
import { cancelAnswer, cancelBody, idParams, nameParams } from "./schemas.ts";
import {
  graphList,
  graphPicture,
  liveQuery,
  scheduleTicks,
  sessionAnswer,
  shardList,
} from "./watch-schemas.ts";

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
    path: "/api/v1/graphs",
    summary: "Graphs that have not ended, the latest first.",
    roles: ["viewer", "operator"],
    answer: graphList,
    handle: async ({ yard }) => ({ graphs: await yard.graphs.list() }),
  }),
  route({
    method: "GET",
    path: "/api/v1/graphs/:id",
    summary: "A graph with its tasks; or, by a task's id, what hangs together with that task.",
    roles: ["viewer", "operator"],
    params: idParams,
    answer: graphPicture,
    async handle({ yard, params: { id } }) {
      const picture = await yard.graphs.get(id);
      if (picture !== null) return picture;
      throw new YardmasterError("TASK_NOT_FOUND", `No graph or task ${id} is known (any more).`, {
        details: { id },
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/v1/graphs/:id/cancel",
    summary: "Cancel what of a graph has not ended; answers when none of it can start any more.",
    roles: ["producer", "operator"],
    params: idParams,
    body: cancelBody,
    answer: cancelAnswer,
    isLong: true,
    async handle({ yard, params: { id }, body }) {
      const graph = (await yard.graphs.get(id, { limit: 1 }))?.graph ?? null;
      if (graph?.id === id) return { id, state: await yard.cancel(id, body.reason) };
      throw new YardmasterError("TASK_NOT_FOUND", `No graph ${id} is under way.`, { details: { id } });
    },
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
