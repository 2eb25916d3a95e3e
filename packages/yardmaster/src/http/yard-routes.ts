import type { Yard } from "../yard.ts";
import { QueueLabels } from "./metric-queues.ts";
import { metricsText } from "./metrics.ts";
import { type Route, route } from "./route.ts";
import {
  nameParams,
  nothing,
  pausedAnswer,
  queueChanges,
  queueList,
  queueStatus,
  scheduleList,
  scheduleStatus,
  startedAnswer,
  text,
  yardStats,
} from "./schemas.ts";

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
    method: "POST",
    path: "/api/v1/queues/:name/configure",
    summary: "Change some settings of a queue: its order, placement, weight, limits. What is left out stays.",
    roles: ["operator"],
    params: nameParams,
    body: queueChanges,
    answer: queueStatus,
    handle: ({ yard, params: { name }, body }) => yard.configure(name, body),
  }),
  route({
    method: "GET",
    path: "/api/v1/stats",
    summary: "What dispatchers have counted by queue since they took over: ends, waits, durations, backlog.",
    roles: ["viewer", "operator"],
    answer: yardStats,
    handle: ({ yard }) => yard.stats(),
  }),
  route({
    method: "GET",
    path: "/metrics",
    summary: "The same, and the depths of queues, for Prometheus.",
    roles: ["viewer", "operator"],
    answer: text,
    textType: "text/plain; version=0.0.4; charset=utf-8",
    async handle({ yard }) {
      const [stats, queues] = await Promise.all([yard.stats(), yard.queues()]);
      return metricsText(stats, queues, labelsOf(yard));
    },
  }),
  route({
    method: "GET",
    path: "/api/v1/schedules",
    summary: "All schedules, by name, with their next and last ticks.",
    roles: ["viewer", "operator"],
    answer: scheduleList,
    handle: async ({ yard }) => ({ schedules: await yard.schedules.list() }),
  }),
  route({
    method: "POST",
    path: "/api/v1/schedules/:name/pause",
    summary: "Make no more tasks of a schedule until it is resumed.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    answer: scheduleStatus,
    handle: ({ yard, params: { name } }) => yard.schedules.pause(name),
  }),
  route({
    method: "POST",
    path: "/api/v1/schedules/:name/resume",
    summary: "Go on with a schedule's next tick from now.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    answer: scheduleStatus,
    handle: ({ yard, params: { name } }) => yard.schedules.resume(name),
  }),
  route({
    method: "POST",
    path: "/api/v1/schedules/:name/remove",
    summary: "Forget a schedule; a task of it that exists goes on.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    answer: scheduleStatus,
    handle: ({ yard, params: { name } }) => yard.schedules.remove(name),
  }),
  route({
    method: "POST",
    path: "/api/v1/schedules/:name/run",
    summary: "Submit a schedule's task now, beside its ticks.",
    roles: ["operator"],
    params: nameParams,
    body: nothing,
    status: 201,
    answer: startedAnswer,
    handle: async ({ yard, params: { name } }) => ({ id: (await yard.schedules.runNow(name)).id }),
  }),
];

const labels = new WeakMap<Yard, QueueLabels>();

function labelsOf(yard: Yard): QueueLabels {
  const known = labels.get(yard) ?? new QueueLabels();
  labels.set(yard, known);
  return known;
}
