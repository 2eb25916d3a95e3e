import type { Command } from "commander";
import { connect, type Yard } from "../yard.ts";
import { engineWaitOf, outputOf, targetOf } from "./target.ts";

/** Tells the process's exit code. */
export type Exit = (code: number) => void;

const CLOSE_MS = 5_000;

/** Connects to the command's yard, runs `use` and closes whatever happens; answers with the exit code of `use`. */
export async function withYard(command: Command, use: (yard: Yard) => Promise<number>): Promise<number> {
  // A command's answer is the only thing on stdout: that it waits goes to stderr alone.
  const output = { ...outputOf(command), emit: () => undefined };
  const yard = await connect(targetOf(command), engineWaitOf(command, output, 0));
  try {
    return await use(yard);
  } finally {
    await yard.close({ timeoutMs: CLOSE_MS });
  }
}
