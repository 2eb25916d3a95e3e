/** Yardmaster: define tasks, submit them, and run them on one machine or many. */
export type { Client } from "./client/client.ts";
export type {
  ActivityMark,
  ClockReport,
  QueueStatus,
  WorkerStatus,
  YardActivity,
  YardStats,
} from "./client/directory.ts";
export type { ListFilter, TaskFilter, TaskPage } from "./client/filters.ts";
export type { GraphHandle } from "./client/graph-handle.ts";
export type { GraphPage, GraphStatus, GraphSummary, Graphs, GraphTask } from "./client/graphs.ts";
export type { Acceptance, Outcome, TaskHandle, TaskUpdate, WaitOptions } from "./client/handle.ts";
export {
  call,
  chain,
  chord,
  fanOut,
  group,
  map,
  type Plan,
  type Step,
  type StepOptions,
  step,
} from "./client/plan.ts";
export type { QueueChanges } from "./client/queue-changes.ts";
export type { ScheduleOptions, ScheduleStatus, Schedules } from "./client/schedules.ts";
export type { SubmitOptions } from "./client/submission.ts";
export type { TaskChapter, TaskStatus } from "./client/task-status.ts";
export type { TraceFilter } from "./client/yard-trace.ts";
export type { BackoffOptions } from "./definition/backoff.ts";
export type { Codec } from "./definition/codec.ts";
export { defineQueue, type QueueDefinition, type QueueOptions } from "./definition/queue.ts";
export type { LabelOptions } from "./definition/requirements.ts";
export type { SpeculationOptions } from "./definition/speculation.ts";
export { defineTask, type TaskDefinition, type TaskOptions } from "./definition.ts";
export type { Alarm } from "./dispatcher/alarm.ts";
export type { EngineReport } from "./engine.ts";
export type { EngineNews } from "./engine-watch.ts";
export type { Answer, Health, ShardHealth } from "./health.ts";
export type { EndedAttempt, RunningAttempt, WaitingHead } from "./protocol/activity.ts";
export { ERRORS, type ErrorCode, isCode, YardmasterError } from "./protocol/errors.ts";
export type { Explanation, Reason } from "./protocol/explanation.ts";
export type { MissedPolicy, OverlapPolicy } from "./protocol/schedule.ts";
export type { HistogramView, QueueStats } from "./protocol/stats.ts";
export type { State, TaskError, TaskId, TerminalState } from "./protocol/task.ts";
export type { TraceAttempt, TraceHeader, TraceQueue, TraceTask, TraceWorker } from "./protocol/yard-trace.ts";
export type { EncryptionOptions, Keys, SecurityOptions, SigningOptions } from "./security/keys.ts";
export type { ShardStatus } from "./shard-status.ts";
export type { TracingSettings } from "./tracing.ts";
export type { AttemptEnd, AttemptNews, OnAttempt } from "./worker/attempt-news.ts";
export type { Handler } from "./worker/handlers.ts";
export type { CloseReport } from "./worker/worker.ts";
export {
  type ConnectOptions,
  connect,
  type DispatcherSettings,
  type RunningDispatcher,
  type RunningWorker,
  startDispatcher,
  startWorker,
  startYard,
  type WorkerSettings,
  Yard,
  type YardAddress,
} from "./yard.ts";
