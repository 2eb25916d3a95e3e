import type { Role } from "../../yardmaster/src/http/api.ts";
import { createToken, type HttpServer, hashToken, startHttp } from "../../yardmaster/src/http.ts";
import {
  call,
  chord,
  connect,
  defineQueue,
  defineTask,
  type GraphHandle,
  type QueueDefinition,
  type RunningDispatcher,
  type RunningWorker,
  startDispatcher,
  startWorker,
  type TaskDefinition,
  type Yard,
} from "../../yardmaster/src/index.ts";
import { createHandlers } from "../../yardmaster/src/worker.ts";

export const HOSTILE_NAME = `<img src=x onerror="document.title='owned'">`;
export const HOSTILE_TEXT = `</script><script>document.title="owned"</script>\u202e\u0000'"&`;

const media: QueueDefinition = defineQueue({ name: "media", order: "priority" });
const mail: QueueDefinition = defineQueue({ name: "mail", order: "fair" });
const nightly: QueueDefinition = defineQueue({ name: "nightly", concurrency: 2 });

export const resize: TaskDefinition<{ url: string; width: number }, { bytes: number }> = defineTask<
  { url: string; width: number },
  { bytes: number }
>({
  name: "image.resize",
  queue: media,
});
export const encode: TaskDefinition<{ film: string }, string> = defineTask<{ film: string }, string>({
  name: "video.encode",
  queue: media,
  timeoutMs: 120_000,
});
export const send: TaskDefinition<{ to: string; password?: string }, string> = defineTask<
  { to: string; password?: string },
  string
>({
  name: "mail.send",
  queue: mail,
  attempts: 3,
  backoff: { type: "fixed", baseMs: 300, jitter: "none" },
});
export const bounce: TaskDefinition<string, never> = defineTask<string, never>({
  name: "mail.bounce",
  queue: mail,
  attempts: 1,
});
const count: TaskDefinition<{ file: string }, number> = defineTask<{ file: string }, number>({
  name: "report.count",
  queue: nightly,
});
const sum: TaskDefinition<readonly number[], number> = defineTask<readonly number[], number>({
  name: "report.sum",
  queue: nightly,
});
export const evil: TaskDefinition<unknown, unknown> = defineTask<unknown, unknown>({
  name: HOSTILE_NAME,
  attempts: 1,
});
/** No worker knows it. */
export const unknown: TaskDefinition<string, string> = defineTask<string, string>({ name: "nobody.knows" });

/** A whole yard on a real engine with dispatcher, two workers and an HTTP server, each with an engine of its own. */
export class Stage {
  readonly yard: Yard;
  readonly server: HttpServer;
  readonly tokens: Readonly<Record<Role, string>>;
  readonly workers: readonly RunningWorker[];
  dispatcher: RunningDispatcher;
  readonly url: string;
  /** Lets films be encoded to their end. */
  readonly release: () => void;

  private constructor(parts: Omit<Stage, "close" | "link" | "submitReport">) {
    this.yard = parts.yard;
    this.server = parts.server;
    this.tokens = parts.tokens;
    this.workers = parts.workers;
    this.dispatcher = parts.dispatcher;
    this.url = parts.url;
    this.release = parts.release;
  }

  /** `pace` scales how long handlers take, from 0; an empty stage has no workers and no queues. */
  static async open(
    url: string,
    { pace = 0, isEmpty = false }: { readonly pace?: number; readonly isEmpty?: boolean } = {},
  ): Promise<Stage> {
    const gate = Promise.withResolvers<void>();
    const dispatcher = await startDispatcher({ url });
    const labels = isEmpty ? [] : [{ zone: "eu", gpu: "yes" }, { zone: "us" }, { zone: "eu" }];
    const workers = await Promise.all(
      labels.map((one, index) =>
        startWorker({
          url,
          handlers: handlersOf(gate.promise, pace),
          slots: 4 + 2 * index,
          labels: one,
          resources: { cpu: 4 },
          graceMs: 500,
        }),
      ),
    );
    const yard = await connect(url);
    if (!isEmpty) await yard.apply([media, mail, nightly]);
    const roles: readonly Role[] = ["viewer", "producer", "operator", "admin"];
    const tokens = Object.fromEntries(roles.map((role) => [role, createToken()])) as Record<Role, string>;
    const server = await startHttp(yard, {
      port: 0,
      tokens: roles.map((role) => ({ role, sha256: hashToken(tokens[role]) })),
      limits: { strangersPerS: 200 },
    });
    return new Stage({ yard, server, tokens, workers, dispatcher, url, release: gate.resolve });
  }

  /** The address that signs a browser in. */
  link(path: string, role: Role = "operator"): string {
    return `${this.server.url}${path}#token=${this.tokens[role]}`;
  }

  /** A chord of counts and their sum. */
  submitReport(files: number): Promise<GraphHandle<number>> {
    const counts = Array.from({ length: files }, (_, file) => call(count, { file: `part-${file}.csv` }));
    return this.yard.submitGraph(chord(counts, sum));
  }

  async close(): Promise<void> {
    this.release();
    await this.server.close();
    await this.yard.close({ timeoutMs: 5_000 });
    await Promise.all(this.workers.map((worker) => worker.close({ timeoutMs: 1_000 })));
    await this.dispatcher.close({ timeoutMs: 5_000 });
  }
}

function handlersOf(
  gate: Promise<void>,
  pace: number,
): ReturnType<ReturnType<typeof createHandlers>["on"]>[] {
  const { on } = createHandlers();
  const take = (ms: number): Promise<void> =>
    pace === 0
      ? Promise.resolve()
      : new Promise((resolve) => setTimeout(resolve, ms * pace * (0.4 + Math.random() * 1.2)));
  return [
    on(resize, async ({ input }) => {
      await take(700);
      return { bytes: input.width * 97 };
    }),
    on(encode, async ({ input, signal, progress, log }) => {
      // Again and again, for whoever opens its page late.
      const tell = setInterval(() => {
        progress(0.4, "second pass");
        log(`encoding ${input.film}`);
        log(HOSTILE_TEXT, "warn");
      }, 300);
      try {
        const aborted = new Promise((_, reject) => signal.addEventListener("abort", reject, { once: true }));
        await Promise.race([gate, aborted]);
        return `${input.film}.webm`;
      } finally {
        clearInterval(tell);
      }
    }),
    on(send, async ({ input, attempt }) => {
      await take(350);
      if (input.to.startsWith("slow") && attempt < 3)
        throw new Error("The server of the receiver said: try again");
      return `sent to ${input.to}`;
    }),
    on(bounce, ({ input }) => {
      throw new Error(input);
    }),
    on(count, async ({ input }) => {
      await take(2_500);
      return input.file.length;
    }),
    on(sum, async ({ input }) => {
      await take(500);
      return input.reduce((total, one) => total + one, 0);
    }),
    on(evil, ({ input }) => {
      if (input === "throw") throw new Error(HOSTILE_TEXT);
      return { [HOSTILE_NAME]: HOSTILE_TEXT, input };
    }),
  ];
}
