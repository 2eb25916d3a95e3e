import { optionsOf } from "../definition/options.ts";
import { defineQueue, queueRecordOf } from "../definition/queue.ts";
import type { RateOptions } from "../definition/terms.ts";
import {
  type Admission,
  DEFAULT_SETTINGS,
  type Order,
  type PlacementName,
  type QueueRecord,
} from "../protocol/task.ts";

/** Which settings of a queue change; what is left out stays. As in `defineQueue`. */
export interface QueueChanges {
  readonly order?: Order;
  readonly placement?: PlacementName;
  readonly weight?: number;
  readonly precedence?: number;
  readonly agingMs?: number;
  /** `null` for any number. */
  readonly concurrency?: number | null;
  /** `null` for as often as can be. */
  readonly rate?: RateOptions | null;
  readonly admission?: Admission;
}

/** A queue's record with changes, checked as a declaration is. Throws INVALID_OPTIONS. */
export function changed(record: QueueRecord, changes: QueueChanges): QueueRecord {
  const { name, settings = DEFAULT_SETTINGS } = record;
  const { order = record.order, placement = record.placement } = optionsOf("configure", changes);
  const { weight = settings.weight, precedence = settings.precedence } = changes;
  const { concurrency = settings.concurrency, rate = settings.rate } = changes;
  // What belongs to another order goes with it, unless it was asked for: then it is refused.
  const { agingMs = order === "priority" ? settings.agingMs : undefined } = changes;
  const { admission = order === "deadline" ? settings.admission : undefined } = changes;
  const definition = defineQueue({
    name,
    order,
    placement,
    weight,
    precedence,
    ...(concurrency === null || concurrency === 0 ? {} : { concurrency }),
    ...(rate === null ? {} : { rate }),
    ...(agingMs === undefined ? {} : { agingMs }),
    ...(admission === undefined ? {} : { admission }),
  });
  const isAsBefore = changes.order === undefined && record.orderByDefault === true;
  return { ...queueRecordOf(definition), ...(isAsBefore ? { orderByDefault: true } : {}) };
}
