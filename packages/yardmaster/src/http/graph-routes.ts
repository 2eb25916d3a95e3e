import { type GraphStatus, unknownGraph } from "../client/graphs.ts";
import type { TaskId } from "../protocol/task.ts";
import type { Yard } from "../yard.ts";
import { graphList, graphQuery, graphStatus, graphsQuery } from "./graph-schemas.ts";
import { type Route, route } from "./route.ts";
import { cancelBody, idParams } from "./schemas.ts";

export const graphRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/v1/graphs",
    summary: "The newest open graphs and the last ones that ended, without their tasks.",
    roles: ["viewer", "operator"],
    query: graphsQuery,
    answer: graphList,
    handle: async ({ yard, query }) => ({ graphs: await yard.graphs.list(query) }),
  }),
  route({
    method: "GET",
    path: "/api/v1/graphs/:id",
    summary:
      "A graph by its id or that of one of its tasks, with tasks and what they wait for, from a place on.",
    roles: ["viewer", "producer", "operator"],
    params: idParams,
    query: graphQuery,
    answer: graphStatus,
    handle: ({ yard, params: { id }, query }) => known(yard, id, query),
  }),
  route({
    method: "POST",
    path: "/api/v1/graphs/:id/cancel",
    summary: "Cancel what has not ended of a graph; answers when none of it can start any more.",
    roles: ["producer", "operator"],
    params: idParams,
    body: cancelBody,
    answer: graphStatus,
    isLong: true,
    async handle({ yard, params: { id }, body }) {
      await yard.graphs.cancel(id, body.reason);
      return known(yard, id, {});
    },
  }),
];

async function known(
  yard: Yard,
  id: TaskId,
  page: { readonly from?: number; readonly limit?: number },
): Promise<GraphStatus> {
  const graph = await yard.graphs.get(id, page);
  if (graph === null) throw unknownGraph(id);
  return graph;
}
