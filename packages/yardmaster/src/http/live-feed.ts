import type { Cancel, Host } from "../host.ts";
import type { Yard } from "../yard.ts";
import type { LiveNews, LiveTopic } from "./api.ts";
import { failureOf } from "./problem.ts";

/** How often each topic is looked at while anybody watches it. */
const EVERY_MS: Readonly<Record<LiveTopic, number>> = {
  activity: 1_000,
  queues: 1_000,
  stats: 1_000,
  workers: 2_000,
  graphs: 2_000,
  schedules: 2_000,
  shards: 5_000,
};
/** So many ends are told to one who has just come, so that its page is not empty. */
const KEPT_ENDS = 300;

type Told = Extract<LiveNews, { type: LiveTopic }>;

/** Asks the yard once for all who watch, and not at all while nobody does: a hundred pages cost what one does. */
export class LiveFeed {
  private readonly channels: ReadonlyMap<LiveTopic, Channel>;

  constructor(yard: Yard, host: Host) {
    const topics = Object.keys(EVERY_MS) as LiveTopic[];
    this.channels = new Map(topics.map((topic) => [topic, new Channel(topic, loaderOf(topic, yard), host)]));
  }

  /** The present state of each topic, then what changes, until the signal. A slow reader misses what is outdated. */
  async *watch(topics: readonly LiveTopic[], signal: AbortSignal): AsyncGenerator<LiveNews, void, undefined> {
    const inbox = new Inbox(signal);
    const leave = topics.map((topic) => this.channels.get(topic)?.join(inbox));
    try {
      while (!signal.aborted) yield* await inbox.take();
    } finally {
      for (const each of leave) each?.();
    }
  }
}

/** The latest news of each topic for one reader. */
class Inbox {
  private news = new Map<string, LiveNews>();
  private wake: () => void = () => undefined;
  private readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener("abort", () => this.wake(), { once: true });
  }

  put(topic: LiveTopic, news: LiveNews): void {
    this.news.set(topic, news);
    this.wake();
  }

  async take(): Promise<Iterable<LiveNews>> {
    if (this.news.size === 0 && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const { news } = this;
    this.news = new Map();
    return news.values();
  }
}

interface Loader {
  /** What is new. */
  load(): Promise<Told>;
  /** What one sees first who comes now; null where that is the same as the latest news. */
  greeting(): Told | null;
}

class Channel {
  private readonly topic: LiveTopic;
  private readonly loader: Loader;
  private readonly host: Host;
  private readonly readers = new Set<Inbox>();
  private latest: LiveNews | null = null;
  private latestText = "";
  private isLoading = false;
  private cancel: Cancel = () => undefined;

  constructor(topic: LiveTopic, loader: Loader, host: Host) {
    this.topic = topic;
    this.loader = loader;
    this.host = host;
  }

  join(inbox: Inbox): () => void {
    if (this.readers.size > 0 && this.latest !== null)
      inbox.put(this.topic, this.loader.greeting() ?? this.latest);
    this.readers.add(inbox);
    if (this.readers.size === 1) void this.look();
    return () => {
      this.readers.delete(inbox);
      if (this.readers.size > 0) return;
      this.cancel();
      this.latest = null;
    };
  }

  private async look(): Promise<void> {
    // Whoever comes while the last look of those before is under way has its answer.
    if (this.isLoading) return;
    this.isLoading = true;
    const news = await this.loader.load().catch(
      (error: unknown): LiveNews => ({
        type: "trouble",
        topic: this.topic,
        at: this.host.now(),
        ...failureOf(error),
      }),
    );
    this.isLoading = false;
    if (this.readers.size === 0) return;
    this.tell(news);
    this.cancel = this.host.after(EVERY_MS[this.topic], () => void this.look());
  }

  private tell(news: LiveNews): void {
    const isFirst = this.latest === null;
    this.latest = news;
    const text = news.type === "trouble" || news.type === "same" ? "" : JSON.stringify(news.value);
    const isSame = !isFirst && text !== "" && text === this.latestText;
    this.latestText = text;
    const told: LiveNews = isSame ? { type: "same", topic: this.topic, at: this.host.now() } : news;
    for (const reader of this.readers) reader.put(this.topic, told);
  }
}

function loaderOf(topic: LiveTopic, yard: Yard): Loader {
  if (topic === "activity") return activityLoader(yard);
  return { load: () => loadTopic(topic, yard), greeting: () => null };
}

async function loadTopic(topic: Exclude<LiveTopic, "activity">, yard: Yard): Promise<Told> {
  switch (topic) {
    case "queues":
      return { type: topic, value: await yard.queues() };
    case "stats":
      return { type: topic, value: await yard.stats() };
    case "workers":
      return { type: topic, value: await yard.workers() };
    case "graphs":
      return { type: topic, value: await yard.graphs.list({ limit: 100 }) };
    case "schedules":
      return { type: topic, value: await yard.schedules.list() };
    case "shards":
      return { type: topic, value: await yard.shards() };
  }
}

/** Tells ends once, and the latest of them to whoever comes later. */
function activityLoader(yard: Yard): Loader {
  let since: Awaited<ReturnType<Yard["activity"]>>["mark"] = {};
  let last: Extract<Told, { type: "activity" }> | null = null;
  let ends: Extract<Told, { type: "activity" }>["value"]["ends"] = [];
  return {
    async load() {
      const { mark, ...value } = await yard.activity({ since, limit: KEPT_ENDS });
      since = mark;
      ends = [...ends, ...value.ends].slice(-KEPT_ENDS);
      last = { type: "activity", value };
      return last;
    },
    greeting: () => (last === null ? null : { ...last, value: { ...last.value, ends } }),
  };
}
