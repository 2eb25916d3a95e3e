import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createHandlers, type Handler } from "yardmaster/worker";
import { photoOf, pngOf, scaled } from "./picture.ts";
import { makePreview } from "./tasks.ts";

/** Where previews are kept; a real worker would open a bucket. Each thread of the pool has its own. */
interface Storage {
  put(key: string, content: Uint8Array): Promise<void>;
}

const { on } = createHandlers({ context: (): { storage: Storage } => ({ storage: openStorage() }) });

/*
 * Scaling keeps a core busy: each attempt has a thread of a pool, as many at a time as the worker has slots. The thread
 * that heartbeats and takes tasks stays free, and an attempt that hangs is ended without the process.
 */
const preview: Handler = on(
  makePreview,
  async ({ input: { url, width }, taskId, progress, storage }) => {
    const small = scaled(photoOf(url), width);
    progress(0.5, "scaled");
    // The task's id names the file: an attempt that runs again writes the same thing to the same place.
    const key = `${taskId}/${small.width}x${small.height}.png`;
    const content = pngOf(small);
    await storage.put(key, content);
    return { key, bytes: content.length };
  },
  { isolate: "thread", module: import.meta.url },
);

function openStorage(): Storage {
  const folder = process.env["THUMBNAILS"] ?? "thumbnails";
  return {
    async put(key, content) {
      const file = join(folder, key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    },
  };
}

const handlers: readonly Handler[] = [preview];
export default handlers;
