import { afterEach, describe, expect, it } from "vitest";
import { defineTask } from "../definition.ts";
import { createHandlers, retryIn } from "../worker/handlers.ts";
import { createTestYard, type TestYard } from "./test-yard.ts";

const backoff = { type: "exponential", baseMs: 1_000, maxMs: 60_000, jitter: "none" } as const;
const greet = defineTask<{ name: string }, string>({ name: "greet" });
const flaky = defineTask<number, number>({ name: "flaky", attempts: 3, backoff });
const patient = defineTask<null, number>({ name: "patient" });
const endless = defineTask<null, null>({ name: "endless", attempts: 1, timeoutMs: 30_000, graceMs: 1_000 });
const { on } = createHandlers();

let yard: TestYard | null = null;

async function open(...handlers: ReturnType<typeof on>[]): Promise<TestYard> {
  yard = await createTestYard({ handlers });
  return yard;
}

afterEach(async () => {
  await yard?.close();
  yard = null;
});

describe("a test yard", () => {
  it("runs a task without moving time", async () => {
    const yard = await open(on(greet, async ({ input }) => `Hello, ${input.name}!`));
    const task = await yard.submit(greet, { name: "test" });
    expect(await task.result()).toBe("Hello, test!");
  });

  it("starts a delayed task exactly when its time has come", async () => {
    let startedAt = 0;
    const yard = await open(
      on(greet, () => {
        startedAt = yard.now();
        return "";
      }),
    );
    const submittedAt = yard.now();
    const task = await yard.submit(greet, { name: "later" }, { delayMs: 60_000 });
    await yard.advance(59_999);
    expect(startedAt).toBe(0);
    await yard.advance(1);
    await task.result();
    expect(startedAt - submittedAt).toBe(60_000);
  });

  it("shows each retry as time passes", async () => {
    const attempts: number[] = [];
    const yard = await open(
      on(flaky, ({ attempt, input }) => {
        attempts.push(attempt);
        if (attempt < 3) throw new Error(`attempt ${attempt}`);
        return input * 2;
      }),
    );
    const task = await yard.submit(flaky, 21);
    await yard.settle();
    expect(attempts).toEqual([1]);
    await yard.advance(1_000);
    expect(attempts).toEqual([1, 2]);
    await yard.advance(2_000);
    expect(attempts).toEqual([1, 2, 3]);
    expect(await task.result()).toBe(42);
  });

  it("waits as long as the handler asks for", async () => {
    const yard = await open(on(patient, ({ attempt }) => (attempt === 1 ? retryIn(3_600_000) : attempt)));
    const task = await yard.submit(patient, null);
    await yard.advance(3_599_999);
    expect(await yard.status(task.id)).toMatchObject({ state: "scheduled" });
    await yard.advance(1);
    expect(await task.result()).toBe(2);
  });

  it("ends a handler that never settles", async () => {
    const yard = await open(on(endless, () => new Promise(() => undefined)));
    const task = await yard.submit(endless, null);
    await yard.advance(60_000);
    expect(await task.settled()).toMatchObject({ ok: false, error: { code: "TASK_FAILED" } });
    expect(await yard.status(task.id)).toMatchObject({ state: "failed", code: "TIMED_OUT" });
  });

  it("cancels a waiting task, which then never starts", async () => {
    let started = false;
    const yard = await open(
      on(greet, () => {
        started = true;
        return "";
      }),
    );
    const task = await yard.submit(greet, { name: "never" }, { delayMs: 1_000 });
    await task.cancel("changed my mind");
    await yard.advance(10_000);
    expect(started).toBe(false);
    await expect(task.result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
  });
});
