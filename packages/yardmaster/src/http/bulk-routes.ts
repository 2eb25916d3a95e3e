import type { TaskFilter, TaskPage } from "../client/directory.ts";
import { isTerminal, type TaskId, TERMINAL_STATES } from "../protocol/task.ts";
import type { BulkAnswer, BulkRetryBody } from "./api.ts";
import { failureOf } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { bulkAnswer, bulkCancelBody, bulkRetryBody, WAITING_STATES } from "./schemas.ts";
import { given, timeOf } from "./submit-routes.ts";

const DEFAULT_LIMIT = 100;
/** How many tasks of a step are acted on at the same time. */
const AT_ONCE = 32;

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
      const { queue, name, state, reason, limit = DEFAULT_LIMIT, dryRun = false } = body;
      const wanted = { limit, ...given({ queue, name }) };
      const states = state === undefined ? WAITING_STATES : [state];
      const [listed, parked] = await Promise.all([
        yard.list({ ...wanted, ...given({ state }) }),
        yard.find({ ...wanted, states, ...given({ cursor: body.cursor }) }),
      ]);
      const waiting = listed.filter((task) => !isTerminal(task.state));
      const matched = [...new Set([...waiting, ...parked.tasks].map(({ id }) => id))];
      const outcome = dryRun ? NOTHING : await each(matched, (id) => yard.cancel(id, reason));
      const { cursor } = parked;
      return { matched, ...outcome, more: waiting.length === limit || cursor !== null, cursor };
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
      const page: TaskPage = await yard.find(endedFilter(body));
      const matched = page.tasks.map(({ id }) => id);
      const outcome = body.dryRun ? NOTHING : await each(matched, (id) => yard.retry(id));
      return { matched, ...outcome, more: page.cursor !== null, cursor: page.cursor };
    },
  }),
];

type Done = Pick<BulkAnswer, "done" | "failed">;

const NOTHING: Done = { done: 0, failed: [] };

function endedFilter({ queue, name, state, from, to, cursor, limit }: BulkRetryBody): TaskFilter {
  return {
    states: state === undefined ? TERMINAL_STATES : [state],
    limit: limit ?? DEFAULT_LIMIT,
    ...given({ queue, name, cursor, from: timeOf(from), to: timeOf(to) }),
  };
}

/** Acts on all, some at a time; one that fails does not keep the others from it. */
async function each(ids: readonly TaskId[], act: (id: TaskId) => Promise<unknown>): Promise<Done> {
  const failed: BulkAnswer["failed"][number][] = [];
  const left = ids.values();
  const take = async (): Promise<void> => {
    for (const id of left) {
      await act(id).catch((error: unknown) => failed.push({ id, ...failureOf(error) }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  return { done: ids.length - failed.length, failed };
}
