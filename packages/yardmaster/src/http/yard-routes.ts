import { type Route, route } from "./route.ts";
import { drainAnswer, nameParams, nothing, pausedAnswer, queueList, workerList } from "./schemas.ts";

export const yardRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/v1/queues",
    summary: "All queues with their settings and counts.",
    roles: ["viewer", "operator"],
    answer: queueList,
    handle: async ({ yard }) => ({ queues: await yard.queues() }),
  }),
  route({
    method: "POST",
    path: "/api/v1/queues/:name/pause",
    summary: "Start no more tasks of a queue; those that run go on.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    answer: pausedAnswer,
    async handle({ yard, params: { name } }) {
      await yard.pause(name);
      return { queue: name, paused: true };
    },
  }),
  route({
    method: "POST",
    path: "/api/v1/queues/:name/resume",
    summary: "Start tasks of a paused queue again.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    answer: pausedAnswer,
    async handle({ yard, params: { name } }) {
      await yard.resume(name);
      return { queue: name, paused: false };
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/workers",
    summary: "All workers that a dispatcher knows.",
    roles: ["viewer", "operator"],
    answer: workerList,
    handle: async ({ yard }) => ({ workers: await yard.workers() }),
  }),
  route({
    method: "POST",
    path: "/api/v1/workers/:name/drain",
    summary: "Tell a worker to take no more and to end when it is done.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    answer: drainAnswer,
    async handle({ yard, params: { name } }) {
      await yard.drain(name);
      return { worker: name, draining: true };
    },
  }),
];
