import {
  isTerminal,
  type State,
  type TaskId,
  TERMINAL_STATES,
  type TerminalState,
} from "../protocol/task.ts";
import type { Client } from "./client.ts";

/** Which unfinished tasks a step cancels. */
interface BulkCancelFilter {
  readonly queue?: string;
  readonly name?: string;
  readonly state?: Exclude<State, TerminalState>;
  /** How many a step takes at most; default 100. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** Which ended tasks a step submits again. */
interface BulkRetryFilter {
  readonly queue?: string;
  readonly name?: string;
  readonly state?: TerminalState;
  /** Times of their ends in milliseconds since the Unix epoch: from this one, up to and without that one. */
  readonly from?: number;
  readonly to?: number;
  readonly limit?: number;
  readonly cursor?: string;
}

/** What a step took, and whether there is more. */
export interface BulkStep {
  readonly matched: readonly TaskId[];
  readonly done: number;
  readonly failed: readonly { readonly id: TaskId; readonly error: unknown }[];
  readonly more: boolean;
  readonly cursor: string | null;
}

type Done = Pick<BulkStep, "done" | "failed">;

const DEFAULT_LIMIT = 100;
/** How many tasks of a step are acted on at the same time. */
const AT_ONCE = 32;
const NOTHING: Done = { done: 0, failed: [] };
const UNFINISHED: readonly State[] = ["submitted", "scheduled", "blocked", "ready", "assigned", "running"];

/** Cancels the oldest unfinished tasks that fit; what is cancelled fits no more. */
export async function cancelStep(
  yard: Pick<Client, "list" | "find" | "cancel">,
  { state, cursor, limit = DEFAULT_LIMIT, ...of }: BulkCancelFilter,
  { reason = "", dryRun = false }: { readonly reason?: string; readonly dryRun?: boolean } = {},
): Promise<BulkStep> {
  const states = state === undefined ? UNFINISHED : [state];
  const [listed, parked] = await Promise.all([
    yard.list({ ...of, limit, ...(state === undefined ? {} : { state }) }),
    yard.find({ ...of, limit, states, ...(cursor === undefined ? {} : { cursor }) }),
  ]);
  const waiting = listed.filter((task) => !isTerminal(task.state));
  const matched = [...new Set([...waiting, ...parked.tasks].map(({ id }) => id))];
  const outcome = dryRun ? NOTHING : await each(matched, (id) => yard.cancel(id, reason));
  const more = waiting.length === limit || parked.cursor !== null;
  return { matched, ...outcome, more, cursor: parked.cursor };
}

/** Submits ended tasks again, newest first. */
export async function retryStep(
  yard: Pick<Client, "find" | "retry">,
  { state, limit = DEFAULT_LIMIT, ...of }: BulkRetryFilter,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<BulkStep> {
  const states = state === undefined ? TERMINAL_STATES : [state];
  const { tasks, cursor } = await yard.find({ ...of, limit, states });
  const matched = tasks.map(({ id }) => id);
  const outcome = dryRun ? NOTHING : await each(matched, (id) => yard.retry(id));
  return { matched, ...outcome, more: cursor !== null, cursor };
}

/** Acts on all, some at a time; one that fails does not keep the others from it. */
async function each(ids: readonly TaskId[], act: (id: TaskId) => Promise<unknown>): Promise<Done> {
  const failed: BulkStep["failed"][number][] = [];
  const left = ids.values();
  const take = async (): Promise<void> => {
    for (const id of left) await act(id).catch((error: unknown) => failed.push({ id, error }));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  return { done: ids.length - failed.length, failed };
}
