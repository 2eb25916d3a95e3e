import { YardmasterError } from "../protocol/errors.ts";
import type { ScheduleRecord } from "../protocol/schedule.ts";
import type { Millis, TaskId } from "../protocol/task.ts";
import { rowNumbers } from "./row-text.ts";

/** Rows of the store: what was declared, and how far its ticks have come. */
export const SCHEDULE_ROW = "schedule";
export const SCHEDULE_STATE_ROW = "schedule-state";

const PAUSED = 1;
const HELD = 2;
const OPEN = 4;
const NUMBERS = 5;
const SALT = /^[0-9a-f]{16}$/;

/** A schedule in memory. Also the timer of its next tick. */
export class Schedule {
  readonly fires = "schedule";
  record: ScheduleRecord;
  /** The next tick; 0 where none comes any more. It only rises. */
  nextAt: Millis = 0;
  /** What an interval counts from. */
  anchor: Millis = 0;
  paused = false;
  /** The next tick is due and waits for the end of the task before. */
  held = false;
  /** The last tick's task is unfinished: kept only where the overlap policy wants to know. */
  isOpen = false;
  /** How many ticks have made a task. */
  fired = 0;
  lastAt: Millis = 0;
  lastTask: TaskId = "";
  /** 16 hexadecimal digits that tell the ids of its tasks from those of other schedules. */
  salt: string;
  slot = -1;
  dueAt: Millis = 0;
  tie = 0;

  constructor(record: ScheduleRecord, salt: string) {
    this.record = record;
    this.salt = salt;
  }
}

/** All schedules of a shard. */
export class Schedules {
  readonly all: Map<string, Schedule> = new Map<string, Schedule>();
  /** By the id of its last tick's task, where that is unfinished and matters. */
  readonly open: Map<TaskId, Schedule> = new Map<TaskId, Schedule>();
  /** The number of the last request about a name by each of its senders, also of names that are gone. */
  readonly orders: Map<string, number> = new Map<string, number>();
  /** States that were loaded before what they belong to. */
  readonly loaded: Map<string, string> = new Map<string, string>();
}

/** How far a schedule has come, in a row. */
export function stateText({ nextAt, anchor, fired, lastAt, lastTask, salt, ...flags }: Schedule): string {
  const bits = (flags.paused ? PAUSED : 0) | (flags.held ? HELD : 0) | (flags.isOpen ? OPEN : 0);
  return [nextAt, anchor, bits, fired, lastAt, salt, lastTask].join(" ");
}

export function readState(schedule: Schedule, text: string): void {
  const words = text.split(" ");
  const [nextAt = 0, anchor = 0, bits = 0, fired = 0, lastAt = 0] = rowNumbers(words, NUMBERS, "a schedule");
  const [salt = "", lastTask = ""] = words.slice(NUMBERS);
  if (!SALT.test(salt))
    throw new YardmasterError("INVALID_FRAME", "The row of a schedule is damaged: it has no salt.");
  schedule.nextAt = nextAt;
  schedule.anchor = anchor;
  schedule.fired = fired;
  schedule.lastAt = lastAt;
  schedule.salt = salt;
  schedule.lastTask = lastTask;
  schedule.paused = (bits & PAUSED) !== 0;
  schedule.held = (bits & HELD) !== 0;
  schedule.isOpen = (bits & OPEN) !== 0;
}
