import type { Why } from "../protocol/explanation.ts";
import type { LiveTask, Worker } from "./live.ts";
import { hasRoom, suits } from "./pool.ts";
import { placeIn } from "./position.ts";
import { type Need, type Requirement, shownAmount } from "./requirement.ts";
import type { Shard } from "./shard.ts";

/** Why no worker has taken a task that nothing else keeps from starting. */
export function whyNoWorker(shard: Shard, task: LiveTask, isHead: boolean): Why {
  const { name, version } = task.kind.spec;
  const { skill, requirement } = task.kind.line;
  const { groups } = skill;
  const what = version === 1 ? name : `${name} version ${version}`;
  if (!shard.roster.isStaffed)
    return { reason: "no-worker", sentence: "No worker is connected.", data: { name, version } };
  if (groups.length === 0)
    return {
      reason: "unknown-name",
      sentence: `No connected worker knows ${what}.`,
      data: { name, version },
    };
  const workers = groups.flatMap((group) => [...group.workers]);
  return whyImpossible(requirement, workers, what) ?? whyNotNow(shard, task, workers, what, isHead);
}

/** What the task asks for that no worker could ever give: not an error, as such a worker may come. */
function whyImpossible(requirement: Requirement, workers: readonly Worker[], what: string): Why | null {
  const labelled = workers.filter(({ labels }) =>
    requirement.labels.every(([name, text]) => Object.hasOwn(labels, name) && labels[name] === text),
  );
  if (labelled.length === 0) {
    const asked = requirement.labels.map(([name, text]) => `${name}=${text}`).join(" and ");
    const sentence = `No connected worker that knows ${what} has the label ${asked}.`;
    return { reason: "no-such-label", sentence, data: { labels: Object.fromEntries(requirement.labels) } };
  }
  if (labelled.some((worker) => suits(worker, requirement))) return null;
  const lacking = requirement.needs.filter((need) =>
    labelled.every(({ resources }) => !resources.canOffer([need])),
  );
  const needs = lacking.length > 0 ? lacking : requirement.needs;
  const most = Object.fromEntries(
    needs.map(({ resource }) => [
      resource,
      shownAmount(Math.max(...labelled.map(({ resources }) => resources.offered(resource)))),
    ]),
  );
  const sentence = `No connected worker offers ${listed(needs)}.`;
  return { reason: "no-such-resource", sentence, data: { needs: amounts(needs), mostOffered: most } };
}

function whyNotNow(
  shard: Shard,
  task: LiveTask,
  workers: readonly Worker[],
  what: string,
  isHead: boolean,
): Why {
  const { requirement } = task.kind.line;
  const able = workers.filter((worker) => suits(worker, requirement));
  const willing = able.filter(({ takesWork }) => takesWork);
  const data = { ...placeIn(shard, task, isHead), workers: able.length, willing: willing.length };
  if (willing.length === 0) {
    const sentence = `No worker that knows ${what} takes new work (${able.length} in all).`;
    return { reason: "no-willing-worker", sentence, data };
  }
  if (willing.some((worker) => hasRoom(worker, requirement)))
    return { reason: "next", sentence: "The task is handed out with the next tick.", data };
  if (willing.some(({ isFree }) => isFree)) return whyShort(task, willing, data);
  const at = data.position === null ? "one" : `position about ${data.position}`;
  const sentence = `Every worker that knows ${what} is busy (${willing.length} in all); ${at} of ${data.ready} in queue ${data.queue}.`;
  return { reason: "workers-busy", sentence, data };
}

/** A slot is free, but not what the task needs. */
function whyShort(task: LiveTask, willing: readonly Worker[], place: object): Why {
  const { requirement, reserved } = task.kind.line;
  const { needs } = requirement;
  const mostFree = Object.fromEntries(
    needs.map(({ resource }) => [
      resource,
      shownAmount(Math.max(0, ...willing.map(({ resources }) => resources.free(resource)))),
    ]),
  );
  const kept = reserved === null ? "" : ` Worker ${reserved.id} is kept free for it.`;
  const sentence = `No worker has ${listed(needs)} free.${kept}`;
  const data = { ...place, needs: amounts(needs), mostFree, reserved: reserved?.id ?? null };
  return { reason: "resources", sentence, data };
}

function listed(needs: readonly Need[]): string {
  return needs.map(({ resource, amount }) => `${resource}: ${shownAmount(amount)}`).join(" and ");
}

function amounts(needs: readonly Need[]): Record<string, number> {
  return Object.fromEntries(needs.map(({ resource, amount }) => [resource, shownAmount(amount)]));
}
