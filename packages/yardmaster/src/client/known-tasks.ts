import { answeredWithin } from "../deadline.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import type { TaskId } from "../protocol/task.ts";
import type { DependencyOptions } from "./linked.ts";
import { UNTYPED } from "./settlement.ts";
import type { Switchboard } from "./switchboard.ts";
import { Ticket } from "./ticket.ts";

/** How long a dispatcher is asked; without an answer the task is submitted, and waits for what may come. */
const ASK_MS = 2_000;
/** Of more, only the first are asked for: a dispatcher finds out about the rest. */
const MOST_ASKED = 100;

/** Those that this client has not submitted itself, so that they may be none. */
export function foreignIds(after: DependencyOptions["after"]): TaskId[] {
  const foreign: TaskId[] = [];
  for (const one of after ?? []) {
    if (typeof one === "string") foreign.push(one);
    else if (!(one instanceof Ticket) || one.batch === null) foreign.push(one.id);
  }
  return foreign;
}

/** Throws TASK_NOT_FOUND where a task to wait for was never submitted. */
export async function checkKnown(switchboard: Switchboard, ids: readonly TaskId[]): Promise<void> {
  switchboard.throwIfClosed();
  const { tasks } = await switchboard.engine.store.read({ ids });
  const missing = ids.filter((id) => !tasks.has(id)).slice(0, MOST_ASKED);
  await Promise.all(missing.map((id) => askFor(switchboard, id)));
}

async function askFor(switchboard: Switchboard, id: TaskId): Promise<void> {
  try {
    await answeredWithin(switchboard.host, ASK_MS, switchboard.ticketOf(id, UNTYPED).accepted());
  } catch (error) {
    if (!isCode(error, "TASK_NOT_FOUND")) return;
    throw new YardmasterError("TASK_NOT_FOUND", `submit: after names task ${id}, which is not known.`, {
      cause: error,
      details: { field: "after", id },
    });
  }
}
