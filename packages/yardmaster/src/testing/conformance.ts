import type { Delivery, Receiver, SendOutcome } from "../brokers/broker.ts";
import type { Engine } from "../engine.ts";
import { type ErrorCode, YardmasterError } from "../protocol/errors.ts";

/** The functions of a test runner that has vitest's or jest's; the suites import none themselves. */
export interface TestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  readonly expect: (actual: unknown) => { toEqual(expected: unknown): void };
}

/** An engine that a suite tests. */
export interface EngineUnderTest {
  readonly name: string;
  /** A new, empty yard, with two shards. */
  open(): Promise<YardUnderTest>;
}

/** One yard of an engine under test. */
export interface YardUnderTest {
  /** Opens an engine on the yard. */
  engine(): Promise<Engine>;
  /** Starts another process, or what stands for one, that has the yard open. */
  process(): Promise<OtherProcess>;
  /** Closes the engines, ends the processes and removes the yard. */
  close(): Promise<void>;
}

/** What a suite asks of another process. Frames are given as text. */
export interface OtherProcess {
  /** Holds a presence until the process ends. */
  hold(name: string): Promise<void>;
  /** Sends a frame and answers with what became of it. */
  send(mailbox: string, frame: string): Promise<readonly SendOutcome[]>;
  /** Takes the next frames, at least one, and acknowledges none. */
  take(mailbox: string): Promise<readonly string[]>;
  /** Ends the process as SIGKILL does, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** Calls `test` with a yard for each test, which is closed in the end. */
export function withYards(
  api: TestApi,
  under: EngineUnderTest,
): (name: string, test: (yard: YardUnderTest) => Promise<void>) => void {
  return (name, test) => {
    api.it(name, async () => {
      const yard = await under.open();
      try {
        await test(yard);
      } finally {
        await yard.close();
      }
    });
  };
}

/** The code that a promise fails with; "none" if it does not fail. Any other failure is thrown on. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "none"> {
  return (await failureOf(promise))?.code ?? "none";
}

export async function failureOf(promise: Promise<unknown>): Promise<YardmasterError | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    if (error instanceof YardmasterError) return error;
    throw error;
  }
}

export function frameOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(frame: Uint8Array): string {
  return new TextDecoder().decode(frame);
}

export function textsOf(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ frame }) => textOf(frame));
}

/** Takes until there are `count` frames, in however many batches they come. */
export async function takeCount(receiver: Receiver, count: number): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  while (deliveries.length < count) {
    const batch = await receiver.take({ frames: count - deliveries.length, bytes: Number.MAX_SAFE_INTEGER });
    if (batch.length === 0)
      throw new Error(`The receiver ended after ${deliveries.length} of ${count} frames.`);
    deliveries.push(...batch);
  }
  return deliveries;
}

export const NO_LIMITS: { readonly frames: number; readonly bytes: number } = {
  frames: 1_000,
  bytes: 64 * 1024 * 1024,
};
