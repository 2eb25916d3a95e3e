import type { TaskError, TaskId } from "./protocol/task.ts";

/** What a client says of the tasks that it submits together. */
export interface Sending {
  readonly name: string;
  readonly queue: string;
  /** How many; more than one for a graph. */
  readonly count: number;
  /** What they bring along already, or "": counts where no span is active. */
  readonly trace: string;
}

/** What a worker says of an attempt. */
export interface Processing {
  readonly name: string;
  readonly queue: string;
  readonly id: TaskId;
  readonly attempt: number;
  readonly worker: string;
  /** What the submission brought along, or "". */
  readonly trace: string;
}

/** How an attempt ended, as far as a trace tells it. */
export interface Processed {
  readonly kind: string;
  readonly error: TaskError | null;
}

/** Follows tasks from their submission to their handlers. */
export interface Tracing {
  /** Calls `send` with what the tasks bring along, within a span that ends when that has settled. */
  sending<T extends { readonly id: TaskId }>(of: Sending, send: (trace: string) => Promise<T>): Promise<T>;
  /** Calls `run` within a span that continues what the task brought along. */
  processing<T extends Processed>(of: Processing, run: () => T | Promise<T>): T | Promise<T>;
}

/** Whether traces go with tasks. */
export interface TracingSettings {
  /**
   * Whether tasks carry the trace in which they are submitted to the handlers that run them, through the API of
   * OpenTelemetry (`@opentelemetry/api`, installed beside Yardmaster); default false. Without it nothing is measured,
   * sent or loaded.
   */
  readonly tracing?: boolean;
}
