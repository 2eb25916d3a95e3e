import { batch, computed, type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type {
  EndedAttempt,
  GraphSummary,
  LiveNews,
  LiveTopic,
  QueueStatus,
  RunningAttempt,
  ScheduleStatus,
  ShardStatus,
  WaitingHead,
  WorkerStatus,
  YardStats,
} from "yardmaster/http-client";
import { now, setYardTime, yardNow } from "./clock.ts";
import { addSample } from "./samples.ts";
import { client, isSignedIn, messageOf, onSession } from "./session.ts";

/** What every page shows something of. */
const EVERYWHERE: readonly LiveTopic[] = ["queues", "stats", "workers", "activity"];
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;
/** News comes every second; without any for this long the page is stale. */
const STALE_MS = 5_000;
const KEPT_ENDS = 3_000;
/** A page that nobody looks at asks for nothing. */
const HIDDEN_MS = 30_000;

export const queues = signal<readonly QueueStatus[] | null>(null);
export const stats = signal<YardStats | null>(null);
export const workers = signal<readonly WorkerStatus[] | null>(null);
export const schedules = signal<readonly ScheduleStatus[] | null>(null);
export const graphs = signal<readonly GraphSummary[] | null>(null);
export const shards = signal<readonly ShardStatus[] | null>(null);
export const running = signal<readonly RunningAttempt[]>([]);
export const heads = signal<readonly WaitingHead[]>([]);
export const ends = signal<readonly EndedAttempt[]>([]);
/** What waits for a worker, in all queues. */
export const readyTasks = computed(() =>
  (queues.value ?? []).reduce((sum, { ready, parked }) => sum + ready + parked, 0),
);
/** Why topics could not be asked for. */
export const troubles = signal<ReadonlyMap<LiveTopic, string>>(new Map());

const told = signal<ReadonlySet<LiveTopic>>(new Set());
/** Whether each topic has been heard of once: a page whose parts are as tall as what they say is drawn at once. */
export const isTold = computed(() => EVERYWHERE.every((topic) => told.value.has(topic)));

/** When the server was heard last, by this machine's clock; 0 before. */
export const heardAt = signal(0);
const connection: Signal<string> = signal("");

export type Freshness = "starting" | "live" | "stale";
export const freshness = computed<Freshness>(() => {
  const last = heardAt.value;
  if (last === 0) return "starting";
  // Read, so that this is computed anew each second.
  return now.value > 0 && Date.now() - last > STALE_MS ? "stale" : "live";
});
/** What the connection ended with. */
export const connectionTrouble = computed(() => connection.value);

/** Follows what every page shows, as long as somebody is signed in. */
export function startLive(): void {
  let stop: () => void = () => undefined;
  onSession((signedIn) => {
    stop();
    stop = signedIn ? follow(EVERYWHERE) : () => undefined;
  });
}

/** Follows a topic of one page, as long as that page is shown. */
export function useTopic(topic: LiveTopic): void {
  useEffect(() => (isSignedIn.value ? follow([topic]) : undefined), [topic, isSignedIn.value]);
}

/** Follows topics until the answer is called, across reconnects and the sleep of hidden pages. */
function follow(topics: readonly LiveTopic[]): () => void {
  let ended = false;
  let abort = new AbortController();
  let sleeping: ReturnType<typeof setTimeout> | undefined;
  const onVisibility = (): void => {
    clearTimeout(sleeping);
    if (document.hidden) sleeping = setTimeout(() => abort.abort(), HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", onVisibility);
  void (async () => {
    let failures = 0;
    while (!ended) {
      await visible();
      if (ended) return;
      abort = new AbortController();
      try {
        for await (const news of client.value.live(topics, { signal: abort.signal })) {
          failures = 0;
          take(news);
        }
      } catch (error) {
        if (!ended && !abort.signal.aborted) connection.value = messageOf(error);
      }
      failures++;
      const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
      if (!ended && !document.hidden) await pause(delayMs * (0.75 + Math.random() / 2));
    }
  })();
  return () => {
    ended = true;
    clearTimeout(sleeping);
    document.removeEventListener("visibilitychange", onVisibility);
    abort.abort();
  };
}

function take(news: LiveNews): void {
  batch(() => {
    heardAt.value = Date.now();
    connection.value = "";
    const topic = news.type === "same" || news.type === "trouble" ? news.topic : news.type;
    note(topic, news.type === "trouble" ? news.message : null);
    if (!told.value.has(topic)) told.value = new Set([...told.value, topic]);
    keep(news);
  });
}

function keep(news: LiveNews): void {
  switch (news.type) {
    case "queues":
      queues.value = news.value;
      return;
    case "stats":
      stats.value = news.value;
      addSample(news.value, readyTasks.value, Date.now());
      return;
    case "workers":
      workers.value = news.value;
      return;
    case "schedules":
      schedules.value = news.value;
      return;
    case "graphs":
      graphs.value = news.value;
      return;
    case "shards":
      shards.value = news.value;
      return;
    case "activity":
      setYardTime(news.value.at);
      now.value = yardNow();
      running.value = news.value.running;
      heads.value = news.value.heads;
      ends.value = merged(ends.value, news.value.ends);
      return;
    case "same":
      if (news.topic === "stats" && stats.value !== null)
        addSample(stats.value, readyTasks.value, Date.now());
      return;
    case "trouble":
      return;
  }
}

function note(topic: LiveTopic, message: string | null): void {
  if ((troubles.value.get(topic) ?? null) === message) return;
  const next = new Map(troubles.value);
  if (message === null) next.delete(topic);
  else next.set(topic, message);
  troubles.value = next;
}

/** After a reconnect the server tells of some again. */
function merged(known: readonly EndedAttempt[], fresh: readonly EndedAttempt[]): readonly EndedAttempt[] {
  if (fresh.length === 0) return known;
  const seen = new Set(known.map(({ id, attempt }) => `${id} ${attempt}`));
  return [...known, ...fresh.filter(({ id, attempt }) => !seen.has(`${id} ${attempt}`))].slice(-KEPT_ENDS);
}

function visible(): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true });
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
