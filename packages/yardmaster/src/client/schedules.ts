import { cronFlaw, nextFire } from "../cron.ts";
import { optionCheck } from "../definition/options.ts";
import type { AnyTask } from "../definition.ts";
import { fromBuffer, toBuffer } from "../protocol/bytes.ts";
import { checkName, MAX_DELAY_MS } from "../protocol/check.ts";
import type { Command } from "../protocol/envelope.ts";
import { isCode, YardmasterError } from "../protocol/errors.ts";
import { quoted } from "../protocol/quotation.ts";
import {
  decodeSchedule,
  encodeSchedule,
  MAX_CRON_BYTES,
  MAX_MISSED,
  MAX_SCHEDULE_BYTES,
  MIN_EVERY_MS,
  MISSED_POLICIES,
  type MissedPolicy,
  OVERLAP_POLICIES,
  type OverlapPolicy,
  type ScheduleRecord,
  tickOf,
} from "../protocol/schedule.ts";
import type { TaskId } from "../protocol/task.ts";
import type { TaskHandle } from "./handle.ts";
import { shardOfDraft } from "./routing.ts";
import { type Draft, draft, type SubmitOptions } from "./submission.ts";
import type { Switchboard } from "./switchboard.ts";
import { isoTime, statusOfRecord, type TaskStatus } from "./task-status.ts";

/** When a schedule's ticks come, what becomes of those that cannot run, and how the task of each is submitted. */
export interface ScheduleOptions
  extends Pick<
    SubmitOptions,
    | "priority"
    | "expiresInMs"
    | "deadlineInMs"
    | "attempts"
    | "backoff"
    | "timeoutMs"
    | "needs"
    | "labels"
    | "affinityKey"
  > {
  /** Five fields, or six with seconds in front: `0 3 * * *` is three o'clock each night. Excludes `everyMs`. */
  readonly cron?: string;
  /** Where the cron line's clock hangs, such as `Europe/Berlin`; default UTC. */
  readonly timeZone?: string;
  /** A tick each so many milliseconds from now on: a whole number from 1,000 to ten years. */
  readonly everyMs?: number;
  /**
   * What becomes of ticks that nobody could start before the next one was due, or within a minute: `once` (default) one
   * task stands for all, `skip` none, `all` one for each of the latest `missedLimit`.
   */
  readonly missed?: MissedPolicy;
  /** 1 to 1,000; default 100. */
  readonly missedLimit?: number;
  /**
   * What becomes of a tick while the task of the one before is unfinished: `allow` (default) both run, `skip` it is left
   * out, `queue` it waits, and where several would, `missed` says which.
   */
  readonly overlap?: OverlapPolicy;
}

/** A schedule and how far it has come. Times are ISO times. */
export interface ScheduleStatus {
  readonly name: string;
  /** The definition's name. */
  readonly task: string;
  readonly queue: string;
  readonly cron: string | null;
  readonly timeZone: string | null;
  readonly everyMs: number | null;
  readonly missed: MissedPolicy;
  readonly missedLimit: number;
  readonly overlap: OverlapPolicy;
  readonly paused: boolean;
  /** A tick is due and waits for the end of the task before. */
  readonly held: boolean;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  /** The task of the last tick. */
  readonly lastTask: TaskId | null;
  /** How many ticks have made a task. */
  readonly fired: number;
}

/** As a dispatcher says it: milliseconds, and nothing where there is nothing. */
interface LiveSchedule
  extends Omit<ScheduleStatus, "cron" | "timeZone" | "everyMs" | "nextAt" | "lastAt" | "lastTask"> {
  readonly cron: string;
  readonly timeZone: string;
  readonly everyMs: number;
  readonly nextAt: number;
  readonly lastAt: number;
  readonly lastTask: TaskId;
}

/** An encoded `ScheduleRecord` in base 64, and whether it is paused. */
interface Declared {
  readonly schedule: string;
  readonly paused: boolean;
}

const TIMING = ["cron", "timeZone", "everyMs", "missed", "missedLimit", "overlap"] as const;
const FIELDS = [
  ...TIMING,
  "priority",
  "expiresInMs",
  "deadlineInMs",
  "attempts",
  "backoff",
  "timeoutMs",
  "needs",
  "labels",
  "affinityKey",
] as const satisfies readonly (keyof ScheduleOptions)[];
const DEFAULT_MISSED_LIMIT = 100;
/** So many ticks are foretold, and among so many ended tasks those of a schedule are looked for. */
const FORETOLD = 5;
const LOOKED_AT = 200;

/** The schedules of a yard, by name. */
export class Schedules {
  private readonly switchboard: Switchboard;

  constructor(switchboard: Switchboard) {
    this.switchboard = switchboard;
  }

  /** All schedules, by name. */
  async list(): Promise<ScheduleStatus[]> {
    const asked = this.shards.map((shard) =>
      this.switchboard.requests.ask(shard, "query schedules", (request) => ({
        type: "query",
        request,
        query: { type: "schedules" },
      })),
    );
    // The answers to a question of ours from dispatchers of this yard.
    const live = (await Promise.all(asked)) as LiveSchedule[][];
    return live
      .flat()
      .map(statusOf)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * When a schedule comes next, and which of the latest ended tasks of its definition are its own, the last one first:
   * a look at one page of the store. Throws INVALID_NAME where there is none.
   */
  async ticks(name: string): Promise<{
    readonly next: readonly string[];
    readonly past: readonly { readonly at: string; readonly task: TaskStatus }[];
  }> {
    checkName(name, "The schedule's name");
    const schedule = (await this.list()).find((one) => one.name === name);
    if (schedule === undefined) throw unknownSchedule(name);
    const { tasks } = await this.switchboard.engine.store.find({ name: schedule.task, limit: LOOKED_AT });
    const past = tasks.flatMap((task) => {
      const origin = tickOf(task);
      const at = origin?.schedule === name ? isoTime(origin.tickAt) : null;
      return at === null ? [] : [{ at, task: statusOfRecord(task) }];
    });
    return { next: foretold(schedule), past };
  }

  /** Makes no more tasks until `resume`; a task of it that exists goes on. Throws INVALID_NAME where there is none. */
  async pause(name: string): Promise<ScheduleStatus> {
    checkName(name, "The schedule's name");
    return this.orderAll({ type: "pauseSchedule", schedule: name }, `pause schedule ${name}`);
  }

  /** Goes on with the next tick from now: what would have come during the pause is not missed. */
  async resume(name: string): Promise<ScheduleStatus> {
    checkName(name, "The schedule's name");
    return this.orderAll({ type: "resumeSchedule", schedule: name }, `resume schedule ${name}`);
  }

  /** Makes no more tasks; one that exists goes on. */
  async remove(name: string): Promise<ScheduleStatus> {
    checkName(name, "The schedule's name");
    return this.orderAll({ type: "unschedule", schedule: name }, `remove schedule ${name}`);
  }

  /** Submits its task now, beside its ticks, whatever its overlap policy. Throws INVALID_NAME where there is none. */
  async runNow(name: string): Promise<TaskHandle> {
    checkName(name, "The schedule's name");
    const answers = await this.declaredIn(this.shards, name);
    const declared = answers.find((answer) => answer.declared !== null)?.declared ?? null;
    if (declared === null) throw unknownSchedule(name);
    const record = decodeSchedule(fromBuffer(Buffer.from(declared.schedule, "base64")));
    const { vault } = this.switchboard.engine;
    const { name: task } = record.spec;
    const payload = vault?.open(record.payload, { part: "schedule", name: task }) ?? record.payload;
    return this.switchboard.send(draftOf({ ...record, payload }), { name: task, codec: undefined });
  }

  /** Declares a schedule by its name: what was declared before under it is replaced. */
  async put(
    name: string,
    definition: AnyTask,
    input: unknown,
    options: ScheduleOptions,
  ): Promise<ScheduleStatus> {
    const { timing, submit } = checked(name, options, this.switchboard.host.now());
    const drafted = await draft(definition, input, submit);
    if (drafted.payload.length > MAX_SCHEDULE_BYTES) throw tooLarge(name, drafted.payload.length);
    const { spec, priority, expiresInMs, terms } = drafted;
    const { vault } = this.switchboard.engine;
    const payload = vault?.seal(drafted.payload, { part: "schedule", name: spec.name }) ?? drafted.payload;
    if (payload.length > MAX_SCHEDULE_BYTES) throw tooLarge(name, payload.length);
    const record = {
      name,
      ...timing,
      spec,
      priority,
      expiresInMs,
      terms,
      payload,
      route: drafted.route ?? "",
    };
    const schedule = toBuffer(encodeSchedule(record)).toString("base64");
    const home = shardOfDraft(drafted, this.shards.length);
    // Its queue may have been another one's shard. One that moves is never without a row and never ticks twice: whoever
    // dies on the way leaves a paused one behind, and the next declaration takes it along.
    const others = this.shards.filter((shard) => shard !== home);
    const before = (await this.declaredIn(others, name)).filter(({ declared }) => declared !== null);
    for (const { shard } of before)
      await this.order(shard, { type: "pauseSchedule", schedule: name }, "move");
    let live = await this.order(home, { type: "schedule", schedule }, `schedule ${name}`);
    // Somebody had paused it: it stays so.
    if (before.some(({ declared }) => declared?.paused === true))
      live = await this.order(home, { type: "pauseSchedule", schedule: name }, `pause schedule ${name}`);
    for (const { shard } of before) await this.forget(shard, name);
    return statusOf(live);
  }

  private get shards(): number[] {
    return Array.from({ length: this.switchboard.engine.shards }, (_, shard) => shard);
  }

  /** What shards have under a name. */
  private declaredIn(
    shards: readonly number[],
    name: string,
  ): Promise<{ readonly shard: number; readonly declared: Declared | null }[]> {
    return Promise.all(
      shards.map(async (shard) => {
        const answer = await this.switchboard.requests.ask(shard, `query schedule ${name}`, (request) => ({
          type: "query",
          request,
          query: { type: "schedule", name },
        }));
        // As in `list`.
        return { shard, declared: answer as Declared | null };
      }),
    );
  }

  private async forget(shard: number, name: string): Promise<void> {
    try {
      await this.order(shard, { type: "unschedule", schedule: name }, `move schedule ${name}`);
    } catch (error) {
      if (!isCode(error, "INVALID_NAME")) throw error;
    }
  }

  /** Of a name alone nobody knows in which shard it is: throws only when none has it. */
  private async orderAll(command: Command, what: string): Promise<ScheduleStatus> {
    const results = await Promise.allSettled(this.shards.map((shard) => this.order(shard, command, what)));
    for (const result of results) if (result.status === "fulfilled") return statusOf(result.value);
    const failed = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
    throw failed.find((error) => !isCode(error, "INVALID_NAME")) ?? failed[0];
  }

  private async order(shard: number, command: Command, what: string): Promise<LiveSchedule> {
    const build = (request: number) => ({ type: "command", request, command }) as const;
    // The answer to an order of ours.
    return (await this.switchboard.requests.ask(shard, what, build)) as LiveSchedule;
  }
}

type Timing = Pick<ScheduleRecord, (typeof TIMING)[number]>;

/** Throws INVALID_NAME, or INVALID_OPTIONS naming the field. */
function checked(
  name: string,
  options: ScheduleOptions,
  now: number,
): { readonly timing: Timing; readonly submit: SubmitOptions } {
  checkName(name, "A schedule's name");
  const check = optionCheck(`schedule ${quoted(name)}`);
  check.known(options, FIELDS);
  const { cron, timeZone, everyMs, missed, missedLimit, overlap, ...submit } = options;
  if (cron === undefined && everyMs === undefined) check.refuse("cron", "given, or everyMs", cron);
  if (cron !== undefined && everyMs !== undefined)
    check.refuse("everyMs", "left out where cron is given", everyMs);
  if (everyMs !== undefined && timeZone !== undefined)
    check.refuse("timeZone", "left out where everyMs is given", timeZone);
  if (missedLimit !== undefined && missed !== "all")
    check.refuse("missedLimit", 'left out where missed is not "all"', missedLimit);
  const range = { min: MIN_EVERY_MS, max: MAX_DELAY_MS, otherwise: 0 };
  const zone = timeZone ?? "UTC";
  if (cron !== undefined) checkCron(cron, zone, now, check);
  const timing: Timing = {
    cron: cron ?? "",
    timeZone: zone,
    everyMs: check.whole("everyMs", everyMs, range),
    missed: check.oneOf("missed", missed, MISSED_POLICIES),
    missedLimit: check.whole("missedLimit", missedLimit, {
      min: 1,
      max: MAX_MISSED,
      otherwise: DEFAULT_MISSED_LIMIT,
    }),
    overlap: check.oneOf("overlap", overlap, OVERLAP_POLICIES),
  };
  return { timing, submit };
}

function checkCron(cron: string, timeZone: string, now: number, check: ReturnType<typeof optionCheck>): void {
  if (typeof cron !== "string" || Buffer.byteLength(cron) > MAX_CRON_BYTES)
    check.refuse("cron", `text of at most ${MAX_CRON_BYTES} bytes`, cron);
  if (typeof timeZone !== "string") check.refuse("timeZone", "text", timeZone);
  const flaw = cronFlaw(cron, timeZone, now);
  if (flaw !== null) check.refuse(flaw.field, flaw.must, flaw.field === "cron" ? cron : timeZone);
}

function draftOf({ spec, priority, expiresInMs, terms, payload, route }: ScheduleRecord): Draft {
  return {
    spec,
    priority,
    runAt: 0,
    delayMs: 0,
    expiresInMs,
    key: null,
    retryOf: "",
    route: route === "" ? null : route,
    terms,
    payload,
  };
}

function statusOf(live: LiveSchedule): ScheduleStatus {
  const { cron, timeZone, everyMs, nextAt, lastAt, lastTask, ...rest } = live;
  const isCron = cron !== "";
  return {
    ...rest,
    cron: isCron ? cron : null,
    timeZone: isCron ? timeZone : null,
    everyMs: isCron ? null : everyMs,
    nextAt: isoTime(nextAt === 0 ? null : nextAt),
    lastAt: isoTime(lastAt === 0 ? null : lastAt),
    lastTask: lastTask === "" ? null : lastTask,
  };
}

function foretold({ cron, timeZone, everyMs, nextAt, paused }: ScheduleStatus): string[] {
  const next: string[] = [];
  for (let at = nextAt; at !== null && !paused && next.length < FORETOLD; ) {
    next.push(at);
    // biome-ignore lint/style/noRestrictedGlobals: it reads a time that was written and no clock.
    const time = Date.parse(at);
    at = isoTime(cron === null ? time + (everyMs ?? 0) : nextFire(cron, timeZone ?? "UTC", time));
  }
  return next;
}

function tooLarge(name: string, bytes: number): YardmasterError {
  return new YardmasterError(
    "PAYLOAD_TOO_LARGE",
    `The input of schedule ${name} takes ${bytes} bytes: the most is ${MAX_SCHEDULE_BYTES}. Pass a reference to large data.`,
    { details: { field: "input", bytes, maxPayloadBytes: MAX_SCHEDULE_BYTES } },
  );
}

function unknownSchedule(name: string): YardmasterError {
  return new YardmasterError("INVALID_NAME", `There is no schedule ${name}: list them to see what there is.`);
}
