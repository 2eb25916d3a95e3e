import { createHash } from "node:crypto";
import { createHandlers, type Handler } from "yardmaster/worker";
import { makePreview } from "./tasks.ts";

/** Stands for the storage that a real worker would open. */
interface Storage {
  put(key: string, content: string): Promise<number>;
}

const { on } = createHandlers({ context: (): { storage: Storage } => ({ storage: openStorage() }) });

const preview: Handler = on(makePreview, async ({ input, taskId, progress, storage }) => {
  progress(0.5, "scaled");
  // The task's id names the content: an attempt that runs again writes the same thing to the same place.
  const key = `${taskId}/${input.width}`;
  const content = createHash("sha256").update(`${input.url}@${input.width}`).digest("hex");
  return { key, bytes: await storage.put(key, content) };
});

function openStorage(): Storage {
  const stored = new Map<string, string>();
  return {
    async put(key, content) {
      stored.set(key, content);
      return Buffer.byteLength(content);
    },
  };
}

const handlers: readonly Handler[] = [preview];
export default handlers;
