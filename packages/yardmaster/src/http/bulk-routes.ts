import { type BulkStep, cancelStep, retryStep } from "../client/bulk.ts";
import type { BulkAnswer } from "./api.ts";
import { failureOf } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { bulkAnswer, bulkCancelBody, bulkRetryBody } from "./schemas.ts";
import { given, timeOf } from "./submit-routes.ts";

export const bulkRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/v1/bulk/cancel",
    summary:
      "Cancel the oldest unfinished tasks that fit. Pass the cursor on; what is cancelled fits no more.",
    roles: ["operator"],
    body: bulkCancelBody,
    answer: bulkAnswer,
    isLong: true,
    async handle({ yard, body }) {
      const { reason = "", dryRun = false, ...filter } = body;
      return answerOf(await cancelStep(yard, filter, { reason, dryRun }));
    },
  }),
  route({
    method: "POST",
    path: "/api/v1/bulk/retry",
    summary: "Submit ended tasks again, newest first. Pass the answer's cursor on until it is null.",
    roles: ["operator"],
    body: bulkRetryBody,
    answer: bulkAnswer,
    isLong: true,
    async handle({ yard, body }) {
      const { from, to, dryRun = false, ...filter } = body;
      const times = given({ from: timeOf(from), to: timeOf(to) });
      return answerOf(await retryStep(yard, { ...filter, ...times }, { dryRun }));
    },
  }),
];

function answerOf({ failed, ...step }: BulkStep): BulkAnswer {
  return { ...step, failed: failed.map(({ id, error }) => ({ id, ...failureOf(error) })) };
}
