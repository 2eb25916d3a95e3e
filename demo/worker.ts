import { createHandlers, type Handler } from "yardmaster/worker";
import { sha256 } from "./sha256.ts";
import { digest } from "./tasks.ts";

const { on } = createHandlers();

const handler: Handler = on(digest, async ({ input, signal }) => ({
  sha256: await sha256(input.path, signal),
  pid: process.pid,
}));

export default handler;
