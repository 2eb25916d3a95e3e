import { checkName, MAX_DELAY_MS } from "../protocol/check.ts";
import { quoted } from "../protocol/quotation.ts";
import {
  ADMISSIONS,
  type Admission,
  DEFAULT_SETTINGS,
  MAX_PRIORITY,
  MAX_QUEUE_WEIGHT,
  ORDERS,
  type Order,
  PLACEMENTS,
  type PlacementName,
  type QueueRecord,
  type QueueSettings,
} from "../protocol/task.ts";
import { type OptionCheck, optionCheck } from "./options.ts";
import { checkQueueRouting } from "./routing.ts";
import { type RateOptions, rateOf } from "./terms.ts";

/** What `defineQueue` takes. */
export interface QueueOptions<Input = unknown> {
  /** At most 256 bytes, without control characters. */
  readonly name: string;
  /**
   * Which task goes first: `fifo` (default, as long as no task brings a fairness key) the one that came first, `lifo`
   * the one that came last, `priority` the one of the largest priority, which rises while it waits, `fair` the one whose
   * fairness key has used the least of its share (default once a task brings one), `deadline` the one with the earliest
   * deadline, `shortest` the one whose definition takes the least time.
   */
  readonly order?: Order;
  /**
   * Which of the workers with a free slot takes a task: `two-choices` (default) the less loaded of two that are drawn,
   * `least-loaded` the least loaded of all, `idle-first` one that does nothing, `random` any, `sticky` the one that
   * tasks of the same affinity key went to, `spread` the one with the largest part of its resources free, `pack` the
   * one where the least is left over.
   */
  readonly placement?: PlacementName;
  /** Its share of the workers beside queues of the same precedence, 1 to 1,000; default 1. */
  readonly weight?: number;
  /** 0 to 255; queues with a larger one go first, always; default 0. */
  readonly precedence?: number;
  /** With `order: "priority"`: how long a task waits until it counts as one priority higher; default 10,000. */
  readonly agingMs?: number;
  /** How many of its tasks may run at a time; default any number. */
  readonly concurrency?: number;
  /** How often its tasks may start. */
  readonly rate?: RateOptions;
  /**
   * With `order: "deadline"`: what becomes of a task that cannot meet its deadline beside those that go before it: it
   * waits like `any` other (default), is accepted with a `flag` in its code, or is refused.
   */
  readonly admission?: Admission;
  /**
   * Spreads the queue over all shards by this key of a task's parsed input, text of 1 to 256 bytes: tasks of one key
   * stay together. Order and fairness are then kept within a shard, idempotency keys count within a routing key, and
   * what would have to count the whole queue is refused (INVALID_ROUTING). Without it a queue lives in one shard.
   */
  routeBy?(input: Input): string;
}

/** A named line of tasks. A starting worker creates it where it is absent and never changes one that was declared. */
export interface QueueDefinition<Input = unknown> {
  readonly name: string;
  readonly order: Order;
  /** True where no order was named: `order` is `fifo` then, and turns `fair` with the first task with a fairness key. */
  readonly orderByDefault?: boolean;
  readonly placement: PlacementName;
  /** Absent where all are as they are by default. */
  readonly settings?: QueueSettings;
  /** Absent where the queue lives in one shard. */
  routeBy?(input: Input): string;
}

const SETTINGS = ["weight", "precedence", "agingMs", "concurrency", "rate", "admission"] as const;
const FIELDS = [
  "name",
  "order",
  "placement",
  "routeBy",
  ...SETTINGS,
] as const satisfies readonly (keyof QueueOptions)[];
const MAX_CONCURRENCY = 1_000_000;

/** The queue of definitions that name none. */
export const DEFAULT_QUEUE = "default";

/**
 * Declares a queue. Throws INVALID_NAME, INVALID_OPTIONS or INVALID_ROUTING.
 *
 * @example
 * const media = defineQueue({ name: "media", order: "priority" });
 * const mails = defineQueue({ name: "mails", routeBy: ({ tenant }: { tenant: string }) => tenant });
 */
export function defineQueue<Input = unknown>(options: QueueOptions<Input>): QueueDefinition<Input> {
  const check = optionCheck(`defineQueue ${quoted(options?.name)}`);
  check.known(options, FIELDS);
  checkName(options.name, "A queue's name");
  checkQueueRouting(options.name, options);
  return Object.freeze({
    name: options.name,
    order: check.oneOf("order", options.order, ORDERS),
    ...(options.order === undefined ? { orderByDefault: true } : {}),
    placement: check.oneOf("placement", options.placement, PLACEMENTS),
    ...settingsOf(options, check),
    ...(options.routeBy === undefined ? {} : { routeBy: options.routeBy }),
  });
}

function settingsOf(options: QueueOptions, check: OptionCheck): { readonly settings?: QueueSettings } {
  const { order, agingMs, admission } = options;
  if (agingMs !== undefined && order !== "priority")
    check.refuse("agingMs", 'left out where the order is not "priority"', agingMs);
  if (admission !== undefined && order !== "deadline")
    check.refuse("admission", 'left out where the order is not "deadline"', admission);
  const whole = (
    field: "weight" | "precedence" | "agingMs" | "concurrency",
    min: number,
    max: number,
  ): number => check.whole(field, options[field], { min, max, otherwise: DEFAULT_SETTINGS[field] });
  const settings: QueueSettings = Object.freeze({
    weight: whole("weight", 1, MAX_QUEUE_WEIGHT),
    precedence: whole("precedence", 0, MAX_PRIORITY),
    agingMs: whole("agingMs", 1, MAX_DELAY_MS),
    concurrency: whole("concurrency", 1, MAX_CONCURRENCY),
    rate: rateOf(options.rate, ["limit", "perMs", "burst"], check),
    admission: check.oneOf("admission", admission, ADMISSIONS),
  });
  return SETTINGS.every((field) => settings[field] === DEFAULT_SETTINGS[field]) ? {} : { settings };
}

/** The record that a worker or `apply` offers for a queue; its revision counts from 1. */
export function queueRecordOf(queue: QueueDefinition): QueueRecord {
  const { name, order, placement, settings, orderByDefault } = queue;
  return {
    name,
    order,
    placement,
    paused: false,
    revision: 1,
    ...(settings === undefined ? {} : { settings }),
    ...(orderByDefault === true ? { orderByDefault } : {}),
  };
}
