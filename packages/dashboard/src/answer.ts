import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "./session.ts";

export interface Answer<T> {
  /** The latest one; null before the first. */
  readonly value: T | null;
  readonly trouble: string;
  readonly isBusy: boolean;
  readonly again: () => void;
}

/**
 * What the server says to a question, asked anew when `key` or `occasion` changes, when told to, and every `everyMs` while
 * the page is looked at. What was shown stays until there is something newer, unless the question is another one.
 */
export function useAnswer<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
  { everyMs = 0, occasion = "" }: { readonly everyMs?: number; readonly occasion?: string | number } = {},
): Answer<T> {
  const [state, setState] = useState<Omit<Answer<T>, "again"> & { readonly key: string }>({
    key,
    value: null,
    trouble: "",
    isBusy: true,
  });
  const [round, setRound] = useState(0);
  const asked = useRef(ask);
  asked.current = ask;
  useEffect(() => {
    const abort = new AbortController();
    setState((last) => ({ ...last, isBusy: true, key, value: last.key === key ? last.value : null }));
    asked.current(abort.signal).then(
      (value) => setState({ key, value, trouble: "", isBusy: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setState((last) => ({ ...last, key, trouble: messageOf(error), isBusy: false }));
      },
    );
    return () => abort.abort();
  }, [key, occasion, round]);
  useEffect(() => {
    if (everyMs === 0) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) setRound((last) => last + 1);
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return { ...state, again: () => setRound((last) => last + 1) };
}
