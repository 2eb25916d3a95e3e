import { defineTask, type TaskDefinition } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";

export interface Report {
  readonly kind: string;
}

export const report: TaskDefinition<Report, string> = defineTask<Report, string>({
  name: "report.make",
  attempts: 5,
  timeoutMs: 600_000,
});

const { on } = createHandlers();
const handler: Handler = on(report, ({ input, log }) => {
  log(`making the report about ${input.kind}`);
  return `The report about ${input.kind}.`;
});

const handlers: readonly Handler[] = [handler];
export default handlers;
