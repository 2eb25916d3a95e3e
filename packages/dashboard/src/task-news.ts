import { useEffect, useState } from "preact/hooks";
import type { TaskNews } from "yardmaster/http-client";
import { client } from "./session.ts";

type Line = Extract<TaskNews, { type: "log" }>["line"];

/** What was heard of a task since its page was opened. */
export interface News {
  readonly lines: readonly Line[];
  readonly progress: { readonly fraction: number; readonly note: string } | null;
  /** Rises with each change of the state: a reason to ask again. */
  readonly changes: number;
  readonly isOver: boolean;
}

const MAX_LINES = 500;
const RETRY_MS = 2_000;
const NOTHING: News = { lines: [], progress: null, changes: 0, isOver: false };

/** Follows a task to its end, across reconnects. */
export function useNews(id: string): News {
  const [news, setNews] = useState(NOTHING);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    setNews(NOTHING);
    void (async () => {
      for (let isOver = false; !isOver && !signal.aborted; ) {
        try {
          for await (const one of client.value.events(id, { signal })) {
            isOver ||= one.type === "settled";
            setNews((last) => withNews(last, one));
          }
        } catch {
          // The state itself is asked for again and again, and says what is wrong.
        }
        if (!isOver) await pause(RETRY_MS);
      }
    })();
    return () => abort.abort();
  }, [id]);
  return news;
}

function withNews(news: News, one: TaskNews): News {
  switch (one.type) {
    case "log":
      return { ...news, lines: [...news.lines, one.line].slice(-MAX_LINES) };
    case "progress":
      return { ...news, progress: { fraction: one.fraction, note: one.note } };
    case "settled":
      return { ...news, changes: news.changes + 1, isOver: true };
    default:
      return { ...news, changes: news.changes + 1 };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
