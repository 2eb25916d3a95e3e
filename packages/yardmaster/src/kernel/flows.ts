import { FairClock, type Share } from "./fair-share.ts";
import type { Heap } from "./heap.ts";

/** A fairness key within a queue, as long as anything of it waits, runs, or is still to be paid for. */
export class Flow implements Share {
  readonly key: string;
  tag = 0;
  weight = 1;
  turn = 0;
  /** Its tasks that run. */
  running = 0;
  /** Its places in the lines in which it waits. */
  readonly places: FlowPlace[] = [];

  constructor(key: string) {
    this.key = key;
  }
}

/** A flow that waits in a line. */
export interface FlowPlace {
  slot: number;
  readonly flow: Flow;
  readonly heap: Heap<FlowPlace>;
}

/** The fairness keys of one queue and their shares. */
export class Flows {
  readonly #flows = new Map<string, Flow>();
  readonly #clock = new FairClock();

  get size(): number {
    return this.#flows.size;
  }

  /** The flow of a key; created where absent. */
  of(key: string): Flow {
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      flow = new Flow(key);
      this.#flows.set(key, flow);
    }
    return flow;
  }

  /** The flow waits in one more line. */
  enter(place: FlowPlace): void {
    const { flow } = place;
    if (flow.places.length === 0) this.#clock.enter(flow);
    flow.places.push(place);
    place.heap.push(place);
  }

  leave(place: FlowPlace): void {
    place.heap.remove(place);
    const { places } = place.flow;
    places.splice(places.indexOf(place), 1);
  }

  /** A task of the flow starts and may cost so much. */
  start(flow: Flow, cost: number): void {
    flow.running++;
    this.#clock.charge(flow, cost);
    this.#rank(flow);
  }

  /** A task of the flow has ended and has cost so much more than was guessed. */
  end(flow: Flow, more: number): void {
    flow.running--;
    this.#clock.correct(flow, more);
    this.#rank(flow);
  }

  /** Forgets who has nothing here and owes nothing. */
  forgetUnused(isIdle: boolean): void {
    for (const [key, flow] of this.#flows) {
      if (flow.running > 0 || flow.places.length > 0) continue;
      if (isIdle || flow.tag <= this.#clock.now) this.#flows.delete(key);
    }
  }

  #rank(flow: Flow): void {
    for (const place of flow.places) place.heap.moved(place);
  }
}
