import type { JSX } from "preact";
import {
  type BulkAnswer,
  STATES,
  TERMINAL_STATES,
  type TerminalState,
  type WaitingState,
} from "yardmaster/http-client";
import { plural } from "../format.ts";
import { ActionButton, confirmed, tell } from "../parts/actions.tsx";
import { client, messageOf } from "../session.ts";
import { fromOf, isEnded, type TaskSearch } from "./task-search.ts";

/** As much as one call takes. */
const STEP = 500;
/** As far as one click goes; whoever wants more clicks again. */
const MOST = 20_000;

/** What can be done to all tasks that fit the filter: cancel what waits, submit again what has ended. */
export function BulkActions({
  search,
  done,
}: {
  readonly search: TaskSearch;
  readonly done: () => void;
}): JSX.Element {
  const ended = isEnded(search.state);
  const isNarrow =
    search.queue !== "" || search.name !== "" || !["unfinished", "ended"].includes(search.state);
  const run = async (): Promise<void> => {
    await (ended ? retryAll(search) : cancelAll(search));
    done();
  };
  return ended ? (
    <ActionButton
      icon="retry"
      run={run}
      disabled={!isNarrow && search.period === ""}
      label="Submit all that fit the filter again"
    >
      Redrive all
    </ActionButton>
  ) : (
    <ActionButton icon="stop" run={run} disabled={!isNarrow} label="Cancel all that fit the filter">
      Cancel all
    </ActionButton>
  );
}

function wanted({ queue, name }: TaskSearch): { queue?: string; name?: string } {
  return { ...(queue === "" ? {} : { queue }), ...(name === "" ? {} : { name }) };
}

async function cancelAll(search: TaskSearch): Promise<void> {
  const state = STATES.find((one): one is WaitingState => one === search.state && !isEnded(one));
  const filter = { ...wanted(search), ...(state === undefined ? {} : { state }) };
  await inSteps("Cancel", "cancelled", (limit, dryRun, cursor) =>
    client.value.bulkCancel({
      ...filter,
      limit,
      dryRun,
      reason: "by the dashboard",
      ...(cursor === null ? {} : { cursor }),
    }),
  );
}

async function retryAll(search: TaskSearch): Promise<void> {
  const state = TERMINAL_STATES.find((one): one is TerminalState => one === search.state);
  const filter = { ...wanted(search), ...fromOf(search.period), ...(state === undefined ? {} : { state }) };
  await inSteps("Redrive", "submitted again", (limit, dryRun, cursor) =>
    client.value.bulkRetry({ ...filter, limit, dryRun, ...(cursor === null ? {} : { cursor }) }),
  );
}

type Act = (limit: number, dryRun: boolean, cursor: string | null) => Promise<BulkAnswer>;

/** Says first how many it would be. */
async function inSteps(verb: string, past: string, act: Act): Promise<void> {
  try {
    let would = await act(STEP, true, null);
    // A step that found nothing may still lead on.
    while (would.matched.length === 0 && would.cursor !== null) {
      tell("Nothing among the newest: looking further");
      would = await act(STEP, true, would.cursor);
    }
    if (would.matched.length === 0) {
      tell("No task fits the filter.");
      return;
    }
    const many = would.more
      ? `more than ${would.matched.length} tasks`
      : plural(would.matched.length, "task", "tasks");
    if (
      !(await confirmed(
        `${verb} ${many}?`,
        "All tasks that fit the filter, also on the other pages.",
        `${verb} them`,
      ))
    )
      return;
    let [done, failed] = [0, 0];
    for (let cursor: string | null = null; done + failed < MOST; ) {
      const answer: BulkAnswer = await act(STEP, false, cursor);
      done += answer.done;
      failed += answer.failed.length;
      cursor = answer.cursor;
      if (cursor === null && (!answer.more || answer.done === 0)) break;
      tell(`${plural(done, "task", "tasks")} ${past} so far`);
    }
    tell(`${plural(done, "task", "tasks")} ${past}${failed === 0 ? "" : `, ${failed} refused`}`, failed > 0);
  } catch (error) {
    tell(messageOf(error), true);
  }
}
