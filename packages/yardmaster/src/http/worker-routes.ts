import { type Route, route } from "./route.ts";
import {
  drainAnswer,
  drainBody,
  nameParams,
  slotsAnswer,
  slotsBody,
  taskList,
  workerList,
} from "./schemas.ts";

export const workerRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/v1/workers",
    summary: "All workers that a dispatcher knows.",
    roles: ["viewer", "operator"],
    answer: workerList,
    handle: async ({ yard }) => ({ workers: await yard.workers() }),
  }),
  route({
    method: "GET",
    path: "/api/v1/workers/:name/active",
    summary: "The tasks that a worker has, assigned or running.",
    roles: ["viewer", "operator"],
    params: nameParams,
    answer: taskList,
    handle: async ({ yard, params: { name } }) => ({ tasks: await yard.active(name) }),
  }),
  route({
    method: "POST",
    path: "/api/v1/workers/:name/drain",
    summary:
      "Tell a worker to take no more and to end when it is done; with `withinMs`, what still runs then is aborted.",
    roles: ["operator"],
    params: nameParams,
    body: drainBody,
    answer: drainAnswer,
    async handle({ yard, params: { name }, body }) {
      await yard.drain(name, body);
      return { worker: name, draining: true };
    },
  }),
  route({
    method: "POST",
    path: "/api/v1/workers/:name/slots",
    summary: "Tell a worker how many attempts to run at a time from now on.",
    roles: ["operator"],
    params: nameParams,
    body: slotsBody,
    answer: slotsAnswer,
    async handle({ yard, params: { name }, body: { slots } }) {
      await yard.setSlots(name, slots);
      return { worker: name, slots };
    },
  }),
];
