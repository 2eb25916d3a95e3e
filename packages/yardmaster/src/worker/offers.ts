import { shardOfQueue } from "../protocol/shards.ts";
import { divide } from "./division.ts";
import type { Handler } from "./handlers.ts";

/** Resources are counted in thousandths. */
const PARTS = 1000;

/**
 * What a worker offers each shard of its resources. What two shards could both give away would be given away twice, so
 * each resource is divided: evenly among the shards with queues whose tasks need it, by whole units as far as it goes.
 * Where no definition names it, among all that the worker has tasks of, as a submission may.
 */
export function offersOf(
  resources: Readonly<Record<string, number>>,
  handlers: Iterable<Handler>,
  shards: number,
): readonly Readonly<Record<string, number>>[] {
  const all = [...handlers];
  const offers = Array.from({ length: shards }, (): Record<string, number> => ({}));
  for (const [resource, amount] of Object.entries(resources)) {
    const needing = all.filter(({ definition }) => resource in (definition.spec.requirements?.needs ?? {}));
    const wanting = shardsOf(needing.length > 0 ? needing : all, shards);
    for (const [shard, part] of parts(amount, wanting, shards).entries()) {
      const offer = offers[shard];
      if (offer !== undefined && part > 0) offer[resource] = part;
    }
  }
  return offers;
}

function shardsOf(handlers: readonly Handler[], shards: number): ReadonlySet<number> {
  const wanting = new Set<number>();
  for (const { definition } of handlers) {
    if (definition.queueDefinition?.routeBy === undefined)
      wanting.add(shardOfQueue(definition.queue, shards));
    else for (let shard = 0; shard < shards; shard++) wanting.add(shard);
  }
  return wanting;
}

function parts(amount: number, wanting: ReadonlySet<number>, shards: number): number[] {
  const whole = Math.floor(amount);
  const demands = Array.from({ length: shards }, (_, shard) => (wanting.has(shard) ? whole : 0));
  const shares = divide(whole, [demands], 0);
  const rest = (Math.round(amount * PARTS) - whole * PARTS) / PARTS;
  const [first = 0] = wanting;
  return shares.map((share, shard) => (shard === first ? share + rest : share));
}
