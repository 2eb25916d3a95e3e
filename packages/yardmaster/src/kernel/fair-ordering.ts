import { isServedBefore } from "./fair-share.ts";
import type { Flow, FlowPlace, Flows } from "./flows.ts";
import { Heap } from "./heap.ts";
import type { InLine, Ordering, OrderingPolicy } from "./ordering.ts";

/**
 * Start-time fair queueing over the tasks' fairness keys (P. Goyal, H. Vin, H. Cheng, SIGCOMM 1996; see `FairClock`):
 * keys get shares of the workers' time by their weights, and each key's tasks start in the order in which they came.
 * Only keys with tasks in line take part.
 */
export const fair: OrderingPolicy = {
  create: ({ flows }) => new FairOrdering(flows),
  before: (a, b, { flows }) => {
    const [one, other] = [flows.of(a.fairnessKey), flows.of(b.fairnessKey)];
    return one === other ? a.order < b.order : isServedBefore(one, other);
  },
};

/** A flow in this line, with its tasks. */
class Place<T extends InLine> implements FlowPlace {
  slot = -1;
  readonly flow: Flow;
  readonly heap: Heap<FlowPlace>;
  readonly tasks: Heap<T> = new Heap<T>(cameBefore);

  constructor(flow: Flow, heap: Heap<FlowPlace>) {
    this.flow = flow;
    this.heap = heap;
  }
}

class FairOrdering<T extends InLine> implements Ordering<T> {
  readonly #flows: Flows;
  readonly #places = new Map<Flow, Place<T>>();
  readonly #heap: Heap<FlowPlace> = new Heap<FlowPlace>((a, b) => isServedBefore(a.flow, b.flow));
  size = 0;

  constructor(flows: Flows) {
    this.#flows = flows;
  }

  push(task: T): void {
    const flow = this.#flows.of(task.fairnessKey);
    flow.weight = task.weight;
    let place = this.#places.get(flow);
    if (place === undefined) {
      place = new Place<T>(flow, this.#heap);
      this.#places.set(flow, place);
      this.#flows.enter(place);
    }
    place.tasks.push(task);
    this.size++;
  }

  peek(): T | undefined {
    const first = this.#heap.peek();
    return first === undefined ? undefined : this.#places.get(first.flow)?.tasks.peek();
  }

  pop(): T | undefined {
    const first = this.peek();
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(task: T): void {
    const place = this.#places.get(this.#flows.of(task.fairnessKey));
    if (place === undefined) return;
    place.tasks.remove(task);
    this.size--;
    if (place.tasks.size > 0) return;
    this.#places.delete(place.flow);
    this.#flows.leave(place);
  }
}

function cameBefore(a: InLine, b: InLine): boolean {
  return a.order < b.order;
}
