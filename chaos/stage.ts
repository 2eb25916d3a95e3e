import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Process } from "../bench/processes.ts";
import type { Address } from "../servers/engines.ts";
import { FaultProxy } from "../servers/proxy.ts";
import type { Point } from "./failpoints.ts";
import { Recorder } from "./recorder.ts";

export type Role = "dispatcher" | "worker" | "client";

export const SLOTS = 20;
/** So that a leak or an unbounded queue ends a process within a run. */
const HEAP = ["--max-old-space-size=64", "--max-semi-space-size=2"];
const CLOSE_MS = 45_000;
/** Of a timer that nobody waits for once the race is over. */
const UNHELD = { ref: false };
/** How long a process may take to come to a point that it was armed for. */
const POINT_MS = 4_000;

/** One process of the yard, with its own links to the engine. */
export interface Member {
  readonly role: Role;
  readonly name: string;
  readonly process: Process;
  readonly links: readonly FaultProxy[];
}

export interface StageOptions {
  readonly folder: string;
  readonly address: Address;
  /** Whether processes reach the engine through proxies. */
  readonly isProxied: boolean;
  readonly seed: number;
  /** Tasks a second. */
  readonly rate: number;
}

/** The processes of a yard: who is gone is replaced. */
export class Stage {
  readonly members: ReadonlyMap<Role, Member[]> = new Map<Role, Member[]>([
    ["dispatcher", []],
    ["worker", []],
    ["client", []],
  ]);
  readonly recorder: Recorder;
  /** Processes that ended by themselves. */
  readonly surprises: string[] = [];
  readonly #options: StageOptions;
  readonly #ending = new Set<Member>();
  #last = 0;

  constructor(options: StageOptions) {
    this.#options = options;
    this.recorder = new Recorder(join(options.folder, "stage.jsonl"));
  }

  /** A role's processes; the oldest first. */
  of(role: Role): readonly Member[] {
    return this.members.get(role) ?? [];
  }

  get all(): readonly Member[] {
    return [...this.members.values()].flat();
  }

  get client(): Member {
    const client = this.of("client").at(-1);
    if (client === undefined) throw new Error("There is no client.");
    return client;
  }

  async start(role: Role): Promise<Member> {
    const { folder, address, seed, rate } = this.#options;
    this.#last += 1;
    const name = `${role}-${this.#last}`;
    const [reached, links] = await this.#linked(address);
    const more = role === "worker" ? [`${SLOTS}`] : [`${seed}`, `${rate}`];
    // Whoever cannot start while the engine is away is started again, as a supervisor would.
    for (let tries = 1; ; tries += 1) {
      try {
        const args = [JSON.stringify(reached), folder, tries === 1 ? name : `${name}x${tries}`, ...more];
        const process = await Process.start(`../chaos/${role}`, args, HEAP);
        const member = { role, name: args[2] ?? name, process, links };
        this.members.get(role)?.push(member);
        void process.exited.then((how) => this.#ended(member, how));
        return member;
      } catch (error) {
        if (tries === START_TRIES) throw error;
        await pause(500);
      }
    }
  }

  /** The dispatcher that owns the shard; null while nobody says that it does. */
  async owner(): Promise<Member | null> {
    for (const member of this.of("dispatcher")) {
      const owned = member.process.ask<number>("shards").catch(() => 0);
      if ((await Promise.race([owned, pause(500, 0, UNHELD)])) > 0) return member;
    }
    return null;
  }

  async kill(member: Member): Promise<void> {
    this.#ending.add(member);
    member.process.signal("SIGKILL");
    await member.process.exited;
  }

  /** Ends a process at a point, or, when it does not come there for seconds, anywhere. Answers whether it did. */
  async killAt(member: Member, point: Point): Promise<boolean> {
    this.#ending.add(member);
    await member.process.ask("arm", point, "SIGKILL").catch(() => undefined);
    const isGone = await Promise.race([
      member.process.exited.then(() => true),
      pause(POINT_MS, false, UNHELD),
    ]);
    if (!isGone) await this.kill(member);
    return isGone;
  }

  /** Stops a process in its tracks at a point, or anywhere. */
  async freezeAt(member: Member, point: Point | null): Promise<void> {
    if (point !== null) {
      await member.process.ask("arm", point, "SIGSTOP").catch(() => undefined);
      const until = performance.now() + POINT_MS;
      while (performance.now() < until && !isStopped(member.process.pid)) await pause(20);
    }
    member.process.signal("SIGSTOP");
  }

  thaw(member: Member): void {
    member.process.signal("SIGCONT");
  }

  /** Ends a process in order. */
  async close(member: Member): Promise<void> {
    this.#ending.add(member);
    const closing = member.process.close().then(() => member.process.exited);
    const how = await Promise.race([closing, pause(CLOSE_MS, "no end", UNHELD)]);
    if (how !== 0) this.surprises.push(`${member.name} closed with ${how} within ${CLOSE_MS} ms`);
    if (member.process.isAlive) await this.kill(member);
  }

  /** Makes all links as they were. */
  healLinks(): void {
    for (const { links } of this.all) {
      for (const link of links) {
        link.refuse(false);
        link.set("toServer", { type: "pass" });
        link.set("toClient", { type: "pass" });
      }
    }
  }

  killAll(): void {
    for (const member of this.all) {
      this.#ending.add(member);
      member.process.kill();
      for (const link of member.links) void link.close();
    }
  }

  async #linked(address: Address): Promise<[Address, FaultProxy[]]> {
    const links: FaultProxy[] = [];
    const through = async (url: string): Promise<string> => {
      if (!this.#options.isProxied || url.startsWith("sqlite:")) return url;
      const reached = new URL(url);
      const link = await FaultProxy.start(Number(reached.port));
      links.push(link);
      reached.port = String(link.port);
      return reached.href;
    };
    const reached =
      typeof address === "string"
        ? await through(address)
        : { broker: await through(address.broker), store: await through(address.store) };
    return [reached, links];
  }

  #ended(member: Member, how: number | NodeJS.Signals): void {
    this.recorder.write({ type: "processGone", process: member.name });
    const present = this.members.get(member.role) ?? [];
    present.splice(present.indexOf(member), 1);
    for (const link of member.links) void link.close();
    if (!this.#ending.has(member)) this.surprises.push(`${member.name} ended by itself: ${how}`);
  }
}

const START_TRIES = 20;

function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    return false; // It is gone.
  }
}
