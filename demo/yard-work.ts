import { setTimeout as pass } from "node:timers/promises";
import { defineQueue, defineTask, type QueueDefinition, type TaskDefinition } from "yardmaster";
import { createHandlers, type Handler } from "yardmaster/worker";

const media = defineQueue({ name: "media", order: "priority" });
const mail = defineQueue({ name: "mail", order: "fair" });
const reports = defineQueue({ name: "reports", concurrency: 3 });
const archive = defineQueue({ name: "archive" });

export const queues: readonly QueueDefinition[] = [media, mail, reports, archive];
export const resize: TaskDefinition<{ url: string; width: number }, { bytes: number }> = defineTask<
  { url: string; width: number },
  { bytes: number }
>({ name: "image.resize", queue: media });
export const encode: TaskDefinition<{ film: string }, string> = defineTask<{ film: string }, string>({
  name: "video.encode",
  queue: media,
  timeoutMs: 120_000,
});
export const send: TaskDefinition<{ to: string }, string> = defineTask<{ to: string }, string>({
  name: "mail.send",
  queue: mail,
  backoff: { type: "fixed", baseMs: 2_000, jitter: "full" },
});
export const count: TaskDefinition<{ file: string }, number> = defineTask<{ file: string }, number>({
  name: "report.count",
  queue: reports,
});
export const sum: TaskDefinition<readonly number[], number> = defineTask<readonly number[], number>({
  name: "report.sum",
  queue: reports,
});
export const store: TaskDefinition<string, string> = defineTask<string, string>({
  name: "archive.store",
  queue: archive,
});
/** No worker here knows it, so that there is something to be explained. */
export const translate: TaskDefinition<string, string> = defineTask<string, string>({
  name: "text.translate",
});

const { on } = createHandlers();
const STEPS = 20;

/** About as long as told, as work is. */
function take(ms: number, signal: AbortSignal): Promise<void> {
  return pass(ms * (0.4 + Math.random() * 1.2), undefined, { signal });
}

export const handlers: readonly Handler[] = [
  on(resize, async ({ input, signal }) => {
    await take(600, signal);
    return { bytes: input.width * 97 };
  }),
  on(encode, async ({ input, signal, progress, log }) => {
    for (let step = 1; step <= STEPS; step++) {
      await take(1_000, signal);
      progress(step / STEPS, `part ${step} of ${STEPS}`);
      log(`encoded part ${step} of ${input.film}`);
    }
    return `${input.film}.webm`;
  }),
  on(send, async ({ input, attempt, signal }) => {
    await take(300, signal);
    if (input.to.startsWith("gone")) throw new Error(`550 no such mailbox: ${input.to}`);
    if (input.to.startsWith("slow") && attempt < 3) throw new Error("451 try again later");
    return `sent to ${input.to}`;
  }),
  on(count, async ({ input, signal }) => {
    await take(2_000, signal);
    return input.file.length;
  }),
  on(sum, async ({ input, signal }) => {
    await take(500, signal);
    return input.reduce((total, one) => total + one, 0);
  }),
  on(store, async ({ input }) => `kept ${input}`),
];
