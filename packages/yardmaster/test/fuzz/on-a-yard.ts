import { defineTask, type TaskDefinition } from "../../src/definition.ts";
import { createTestYard, type TestYard } from "../../src/testing/test-yard.ts";
import { createHandlers, type Handler } from "../../src/worker/handlers.ts";
import { type Ending, judgedLater } from "./judgement.ts";

export const echo: TaskDefinition<unknown, unknown> = defineTask<unknown, unknown>({ name: "echo" });
const { on } = createHandlers();
export const HANDLERS: readonly Handler[] = [on(echo, ({ input }) => input)];

const once = createTestYard({ handlers: HANDLERS });

/** JavaScript has no types: what a test passes is what a caller without a compiler may pass. */
export function untyped<T>(value: unknown): T {
  return value as T;
}

/** Calls something of a yard that runs; whatever has its answer needs no time, and what waits for somebody gets a minute. */
export async function onYard(use: (yard: TestYard) => unknown): Promise<Ending> {
  const yard = await once;
  return judgedLater(async () => {
    let isDone = false;
    const using = Promise.resolve(use(yard)).finally(() => {
      isDone = true;
    });
    using.catch(() => undefined);
    await yard.settle();
    if (!isDone) await Promise.race([using, yard.advance(60_000)]);
    await Promise.race([using, Promise.resolve()]);
  });
}
