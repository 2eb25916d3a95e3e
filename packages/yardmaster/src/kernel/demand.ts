import type { Group, Worker } from "./live.ts";
import type { Shard } from "./shard.ts";

/** More is told as this much. */
const MOST_READY = 1024;
/** As many queues are looked at. */
const MAX_QUEUES = 100;

/** Answers a heartbeat; `worker` is null where its sender is not known. */
export function answerHeartbeat(shard: Shard, mailbox: string, number: number, worker: Worker | null): void {
  const { outbox } = shard;
  const sent = outbox.frameNumber(mailbox);
  const { credit, ready } = worker ?? { credit: 0, ready: 0 };
  outbox.tell(mailbox, { type: "heartbeatAnswer", number, sent, known: worker !== null, credit, ready }, 0);
}

/**
 * Tells workers how much work waits for more of their credit, as that changes: a worker divides its slots among the
 * shards by it. To be called when all credit was given out.
 */
export function tellDemand(shard: Shard): void {
  const waiting = waitingByGroup(shard);
  for (const worker of shard.roster.workers.values()) {
    const { group } = worker;
    if (group === null) continue;
    const isFull = worker.takesWork && worker.used >= worker.credit;
    const ready = isFull ? rounded(Math.ceil((waiting.get(group) ?? 0) / group.workers.size)) : 0;
    if (ready === worker.ready) continue;
    worker.ready = ready;
    answerHeartbeat(shard, worker.mailbox, worker.heartbeat, worker);
  }
}

function waitingByGroup({ queues }: Shard): Map<Group, number> {
  const waiting = new Map<Group, number>();
  for (const { lines } of queues.upcoming(MAX_QUEUES)) {
    for (const { skill, ordering } of lines) {
      if (ordering.size === 0) continue;
      for (const group of skill.groups) waiting.set(group, (waiting.get(group) ?? 0) + ordering.size);
    }
  }
  return waiting;
}

/** To a power of two, so that not every change is told. */
function rounded(ready: number): number {
  return ready === 0 ? 0 : Math.min(MOST_READY, 2 ** Math.ceil(Math.log2(ready)));
}
