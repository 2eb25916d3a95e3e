import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Host } from "../host.ts";
import { problemOf } from "./problem.ts";
import type { StreamEvent } from "./route.ts";

/** Proxies cut what is silent, and only a write finds out that the reader has gone. */
const KEEP_ALIVE_MS = 15_000;

/** Writes events as a stream (server-sent events of the HTML standard) until they end or the reader goes. */
export async function sendEvents(
  host: Host,
  response: ServerResponse,
  events: AsyncIterable<StreamEvent>,
  signal: AbortSignal,
  requestId: string,
): Promise<void> {
  const stop = keepAlive(host, response);
  try {
    for await (const event of events) {
      await write(response, `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`, signal);
      if (signal.aborted) break;
    }
  } catch (error) {
    // The head is out: the failure is told in the stream.
    if (!signal.aborted) {
      await write(
        response,
        `event: problem\ndata: ${JSON.stringify(problemOf(error, requestId))}\n\n`,
        signal,
      );
    }
  } finally {
    stop();
    response.end();
  }
}

/** A slow reader is waited for: meanwhile the client drops the oldest updates, and no memory fills. */
async function write(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || response.write(text)) return;
  await once(response, "drain", { signal }).catch(() => undefined);
}

function keepAlive(host: Host, response: ServerResponse): () => void {
  let cancel = host.after(KEEP_ALIVE_MS, beat);
  function beat(): void {
    response.write(": here\n\n");
    cancel = host.after(KEEP_ALIVE_MS, beat);
  }
  return () => cancel();
}
