import {
  ADMISSIONS,
  type Admission,
  ORDERS,
  type Order,
  PLACEMENTS,
  type PlacementName,
} from "../protocol/task.ts";
import type { Feature } from "./features.ts";
import type { Random } from "./random.ts";

/** `spread` is spread over the shards by its tasks' routes; `fifo` keeps its order whatever is drawn. */
export const QUEUE_NAMES = ["fifo", "shaped", "spread"] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

/** How a queue is declared. */
export interface QueueShape {
  readonly order: Order;
  readonly placement: PlacementName;
  /** 0 for no limit. */
  readonly concurrency: number;
  readonly rate: RatePlan | null;
  readonly weight: number;
  readonly precedence: number;
  /** Only where the order is by deadline. */
  readonly admission: Admission;
}

interface RatePlan {
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
}

/** What tasks share beside their queue. */
export interface DefinitionPlan {
  readonly label: string;
  readonly kind: "usual" | "once";
  readonly queue: QueueName;
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly concurrency: { readonly limit: number; readonly keyed: boolean } | null;
  readonly rate: (RatePlan & { readonly keyed: boolean }) | null;
  readonly batch: { readonly size: number; readonly withinMs: number } | null;
}

export type QueueShapes = { readonly [Q in QueueName]: QueueShape };

export function drawQueues(random: Random, features: ReadonlySet<Feature>): QueueShapes {
  const draw = (isSpread: boolean, order: Order): QueueShape => ({
    order,
    placement: features.has("placements") ? random.pick(PLACEMENTS) : "two-choices",
    concurrency: features.has("queueLimits") && !isSpread && random.chance(0.6) ? random.integer(1, 4) : 0,
    rate: features.has("queueLimits") && !isSpread && random.chance(0.4) ? drawRate(random) : null,
    weight: features.has("orders") ? random.integer(1, 9) : 1,
    precedence: features.has("orders") ? random.integer(0, 1) : 0,
    admission: order === "deadline" ? random.pick(ADMISSIONS) : "any",
  });
  const order = (): Order => {
    if (features.has("orders")) return random.pick(ORDERS);
    return features.has("deadlines") ? "deadline" : "priority";
  };
  return { fifo: draw(false, "fifo"), shaped: draw(false, order()), spread: draw(true, order()) };
}

export function drawDefinitions(
  random: Random,
  features: ReadonlySet<Feature>,
): readonly [DefinitionPlan, ...DefinitionPlan[]] {
  const queues: readonly [QueueName, ...QueueName[]] = features.has("routing")
    ? QUEUE_NAMES
    : ["fifo", "shaped"];
  const draw = (label: string): DefinitionPlan => {
    const queue = random.pick(queues);
    return {
      label,
      queue,
      kind: features.has("once") && random.chance(0.4) ? "once" : "usual",
      attempts: random.integer(1, 5),
      timeoutMs: random.pick([0, 2_000, 10_000, 60_000]),
      concurrency:
        features.has("concurrency") && random.chance(0.6)
          ? { limit: random.integer(1, 3), keyed: queue === "spread" || random.chance(0.5) }
          : null,
      rate:
        features.has("rates") && random.chance(0.6)
          ? { ...drawRate(random), keyed: queue === "spread" || random.chance(0.5) }
          : null,
      batch:
        features.has("batches") && random.chance(0.6)
          ? { size: random.integer(2, 5), withinMs: random.pick([1, 20, 300, 3_000]) }
          : null,
    };
  };
  const others = Array.from({ length: random.integer(0, 4) }, (_, index) => draw(`kind${index + 2}`));
  return [draw("kind1"), ...others];
}

/** Fast enough that a run's tasks get through in some seconds. */
function drawRate(random: Random): RatePlan {
  return { limit: random.integer(1, 5), perMs: random.pick([200, 1_000]), burst: random.pick([1, 1, 3]) };
}
