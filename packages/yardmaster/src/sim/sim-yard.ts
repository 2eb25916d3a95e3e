import type { Engine } from "../engine.ts";
import type { MemoryEngine, MemoryWorld } from "../memory/world.ts";
import type { Role } from "./crash-points.ts";
import { isDurable } from "./faults.ts";
import { createFaultyEngine } from "./faulty-engine.ts";
import { Random } from "./random.ts";
import { SimProcess, type SimWorld } from "./sim-process.ts";

/** What runs in a process once it is up. */
interface Running {
  /** Ends it in good order; the engine is closed after it. */
  close(): Promise<void>;
}

/** The code of a process: the real dispatcher, worker or client on the given engine. */
export type Boot = (process: SimProcess, engine: Engine) => Promise<Running>;

/** A machine's place in the yard, filled by one incarnation after another. */
interface Place {
  readonly role: Role;
  readonly number: number;
  readonly boot: Boot;
  incarnations: number;
  current: Incarnation | null;
}

interface Incarnation {
  readonly process: SimProcess;
  readonly base: MemoryEngine;
  readonly engine: Engine;
  running: Running | null;
  closing: boolean;
}

/** How long closing may take at the most, by the caller's word. */
export const CLOSE_TIMEOUT_MS = 5_000;
/** What an engine notices after so long it notices late. */
const LATE_MS = 15_000;

/** Keeps the processes of a yard running: starts them, and again after each end, as a supervisor does. */
export class SimYard {
  readonly #world: SimWorld;
  readonly #engines: MemoryWorld;
  readonly #seed: number;
  readonly #random: Random;
  readonly #plant: (engine: Engine) => Engine;
  readonly #places: Place[] = [];
  #shutting = false;

  constructor(world: SimWorld, engines: MemoryWorld, seed: number, plant: (engine: Engine) => Engine) {
    this.#world = world;
    this.#engines = engines;
    this.#seed = seed;
    this.#random = new Random(seed, "supervisor");
    this.#plant = plant;
  }

  add(role: Role, number: number, boot: Boot): void {
    const place: Place = { role, number, boot, incarnations: 0, current: null };
    this.#places.push(place);
    this.#start(place);
  }

  pause(place: number, forMs: number): void {
    this.#at(place)?.process.pause(forMs);
  }

  setClock(place: number, byMs: number): void {
    this.#at(place)?.process.setClock(byMs);
  }

  disconnect(place: number, forMs: number, heardAfterMs?: number): void {
    this.#at(place)?.process.disconnect(forMs, heardAfterMs);
  }

  /** The broker starts again: transient mailboxes are gone, and everybody has to connect anew. */
  async restartBroker(): Promise<void> {
    const { broker } = this.#engines.open();
    this.#world.trace.note(this.#world.timeline.now, "world", "broker restarts");
    this.#world.coverage.fault("broker restart");
    for (const { current } of this.#places) current?.process.disconnect(this.#random.between(50, 1_500));
    this.#world.faults.present.clear();
    for (const mailbox of await broker.mailboxes("")) if (!isDurable(mailbox)) await broker.remove(mailbox);
  }

  /** The engine starts again as it was at a time: what it was told later is gone, and everybody has to connect anew. */
  loseLast(restore: () => void, since: number): void {
    const { timeline, trace, coverage, faults, history, record } = this.#world;
    trace.note(timeline.now, "world", "engine lost its last moments", `${timeline.now - since} ms`);
    coverage.fault("engine loss");
    restore();
    faults.starts++;
    faults.present.clear();
    const fact = { type: "lost", at: timeline.now, since } as const;
    record?.(fact);
    history.observe(fact);
    for (const { current } of this.#places) {
      current?.process.disconnect(this.#random.between(50, 1_500));
      for (const channel of current?.process.channels ?? []) void channel.lose();
    }
  }

  /** Closes a process in good order, and starts its place again after a while. */
  restart(place: number, afterMs: number): void {
    const incarnation = this.#at(place);
    if (incarnation !== undefined) this.#close(incarnation, afterMs);
  }

  /** Closes everything; what ends is not started again. */
  shutDown(): void {
    this.#shutting = true;
    for (const { current } of this.#places) if (current !== null) this.#close(current, 0);
  }

  /** Continues whatever is paused. */
  resumeAll(): void {
    for (const { current } of this.#places) current?.process.resume();
  }

  /** Whether a process is on its way to its end in good order. */
  get isClosing(): boolean {
    return this.#places.some(({ current }) => current?.closing === true);
  }

  /** The names of the processes that are not down. */
  get up(): string[] {
    return this.#places.flatMap(({ current }) => (current === null ? [] : [current.process.name]));
  }

  #at(place: number): Incarnation | undefined {
    return this.#places.at(place % this.#places.length)?.current ?? undefined;
  }

  #start(place: Place): void {
    if (this.#shutting) return;
    place.incarnations++;
    const name = `${place.role}-${place.number}#${place.incarnations}`;
    const base = this.#engines.open();
    const process = new SimProcess(name, place.role, new Random(this.#seed, name), this.#world, () =>
      this.#crashed(place, incarnation),
    );
    const engine = createFaultyEngine(process, this.#plant(base));
    const incarnation: Incarnation = { process, base, engine, running: null, closing: false };
    place.current = incarnation;
    this.#world.timeline.schedule(0, process, () => void this.#boot(place, incarnation));
  }

  async #boot(place: Place, incarnation: Incarnation): Promise<void> {
    const { process, engine } = incarnation;
    process.note("boot");
    try {
      incarnation.running = await place.boot(process, engine);
      if (process.alive) process.note("up");
    } catch (error) {
      process.crash(`could not start: ${String(error)}`);
    }
  }

  /** The engine notices after a moment; the supervisor starts the next incarnation later. */
  #crashed(place: Place, incarnation: Incarnation): void {
    const { timeline, faults, coverage } = this.#world;
    incarnation.process.observe({ type: "processGone", process: incarnation.process.name });
    place.current = null;
    const noticeMs = faults.noticeMs(this.#random);
    if (noticeMs >= LATE_MS) coverage.fault("late notice");
    timeline.schedule(noticeMs, null, () => incarnation.base.crash());
    const downMs = faults.healed ? 500 : this.#random.pick([10, 1_000, 5_000, 20_000]);
    timeline.schedule(downMs, null, () => this.#start(place));
  }

  #close(incarnation: Incarnation, startAgainAfterMs: number): void {
    if (incarnation.closing) return;
    incarnation.closing = true;
    const { process } = incarnation;
    this.#world.timeline.schedule(0, process, () => {
      process.note("close");
      void this.#closeAndEnd(incarnation, startAgainAfterMs);
    });
  }

  async #closeAndEnd(incarnation: Incarnation, startAgainAfterMs: number): Promise<void> {
    const { process, engine, base } = incarnation;
    const { timeline } = this.#world;
    const startedAt = timeline.now;
    try {
      await incarnation.running?.close();
      await engine.close({ timeoutMs: CLOSE_TIMEOUT_MS });
    } catch (error) {
      process.note("close failed", String(error));
    }
    if (!process.alive) return;
    process.note("closed", `in ${(timeline.now - startedAt).toFixed(0)} ms`);
    process.alive = false;
    process.observe({ type: "processGone", process: process.name });
    base.crash();
    const place = this.#places.find(({ current }) => current === incarnation);
    if (place === undefined) return;
    place.current = null;
    timeline.schedule(startAgainAfterMs, null, () => this.#start(place));
  }
}
