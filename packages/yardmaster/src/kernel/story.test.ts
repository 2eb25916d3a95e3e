import { describe, expect, it } from "vitest";
import { KernelYard } from "../../test/kernel-yard.ts";
import { decodeRecord, encodeRecord } from "../protocol/record.ts";
import { type Chapter, storyOf } from "../protocol/story.ts";

const START = 1_000_000;

/** The story as short words: when since the start, the state, the attempt, and why. */
function told(yard: KernelYard, id: string): string[] {
  const live = yard.kernel.answer({ type: "story", id }, yard.now);
  // A story's answer is a list of chapters or null.
  const story = (live as readonly Chapter[] | null) ?? storyOf(yard.record(id));
  return story.map(({ at, state, attempt, worker, code, until }) =>
    [
      `${at - START}`,
      until > 0 ? `${state} until ${until - START}` : state,
      attempt,
      `${worker} ${code}`.trim(),
    ]
      .join(" ")
      .trim(),
  );
}

const UUID = "01a20a41-b509-7bda-b299-aa96b368d005";

describe("a task's story", () => {
  it("of one that succeeds at once is in its record", () => {
    const yard = new KernelYard();
    const id = yard.submit();
    expect(told(yard, id)).toEqual(["0 submitted 0", "0 ready 0"]);
    const worker = yard.worker("w");
    yard.tick(5);
    expect(told(yard, id).at(-1)).toBe("5 assigned 1 w");
    yard.now += 2;
    worker.start();
    expect(told(yard, id).at(-1)).toBe("7 running 1 w");
    worker.finish();
    expect(told(yard, id).at(-1)).toBe("7 succeeded 1 w");
    yard.tick(3);
    expect(told(yard, id)).toEqual(["0 submitted 0", "0 ready 0", "7 running 1 w", "7 succeeded 1 w"]);
    expect(yard.record(id).past).toBeUndefined();
  });

  it("keeps each attempt that failed, was handed back, or was lost", () => {
    const yard = new KernelYard();
    const id = yard.submit({ id: UUID, delayMs: 100, spec: { attempts: 5 } });
    expect(told(yard, id)).toEqual(["0 submitted 0", "0 scheduled until 100 0"]);
    const worker = yard.worker("w");
    yard.tick(150);
    worker.finish("failed");
    yard.tick(10);
    yard.tick(1_000);
    worker.finish("returned");
    yard.tick(40);
    worker.die();
    yard.tick();
    yard.worker("v");
    yard.tick(800);
    const story = [
      "0 submitted 0",
      "0 scheduled until 100 0",
      "100 ready 0",
      "150 running 1 w",
      "150 scheduled until 1150 1 HANDLER_FAILED",
      "1150 ready 1",
      "1160 assigned 2 w",
      "1160 ready 2 RETURNED",
      "1200 running 3 w",
      "1200 ready 3 WORKER_LOST",
      "2000 assigned 4 v",
    ];
    expect(told(yard, id)).toEqual(story);
    expect(storyOf(decodeRecord(encodeRecord(yard.record(id))))).toEqual(storyOf(yard.record(id)));
    yard.takeover();
    expect(told(yard, id)).toEqual(story);
    yard.workers.get("v")?.finish("final", { error: { code: "BROKEN", message: "It is.", stack: "" } });
    yard.tick(1);
    expect(told(yard, id).slice(-2)).toEqual(["2000 running 4 v", "2000 failed 4 v BROKEN"]);
  });

  it("ends where a task ends that waits", () => {
    const yard = new KernelYard();
    const late = yard.submit({ delayMs: 100 });
    const ready = yard.submit({ expiresInMs: 50 });
    yard.tick(20);
    yard.cancel(late);
    yard.tick(40);
    expect(told(yard, late)).toEqual([
      "0 submitted 0",
      "0 scheduled until 100 0",
      "20 cancelled 0 TASK_CANCELLED",
    ]);
    expect(told(yard, ready)).toEqual(["0 submitted 0", "0 ready 0", "60 expired 0 TASK_EXPIRED"]);
  });

  it("forgets the oldest of very many attempts, and cuts long messages", () => {
    const yard = new KernelYard();
    const worker = yard.worker("w");
    const error = { code: "HANDLER_FAILED", message: "é".repeat(5_000), stack: "" };
    const id = yard.submit({ id: UUID, spec: { attempts: 40 } });
    for (let attempt = 0; attempt < 30; attempt++) {
      yard.tick(1_000);
      worker.beat();
      worker.finish("failed", { error });
    }
    yard.tick();
    const record = yard.record(id);
    expect(record.past?.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 16 }, (_, n) => n + 15));
    expect(encodeRecord(record).length).toBeLessThan(30_000);
    expect(decodeRecord(encodeRecord(record)).past).toEqual(record.past);
  });
});
