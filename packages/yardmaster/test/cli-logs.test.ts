import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliYard, HANDLERS } from "./cli-process.ts";

describe("the log of what runs on", () => {
  let yard: CliYard;

  beforeEach(() => {
    yard = new CliYard();
  });

  afterEach(() => yard.close());

  it("is JSON where no terminal is: an event a line, with ids and without payloads", async () => {
    const dispatcher = await yard.start("dispatcher");
    const worker = await yard.start("worker", HANDLERS, "--log-level", "debug");
    const secret = "4111-1111";
    const { code } = await yard.run("submit", "echo", JSON.stringify({ card: secret }), "--wait");
    expect(code).toBe(0);
    const failing = ["submit", "boom", '{"message":"no luck"}', "--attempts", "1", "--wait", "--json"];
    const { stdout } = await yard.run(...failing);
    const { id } = JSON.parse(stdout);
    await worker.line(/"attemptEnded".*HANDLER_FAILED/);
    worker.kill("SIGTERM");
    dispatcher.kill("SIGTERM");
    const ended = await Promise.all([worker.ended, dispatcher.ended]);
    const [ofWorker = [], ofDispatcher = []] = ended.map(({ stderr }) =>
      stderr.split("\n").map((line) => JSON.parse(line)),
    );
    const ready = ofWorker.find(({ event }) => event === "workerReady");
    expect(ofWorker.filter(({ event, name }) => event.startsWith("attempt") && name === "boom")).toEqual([
      expect.objectContaining({ event: "attemptStarted", level: "debug", task: id, attempt: 1 }),
      expect.objectContaining({
        event: "attemptEnded",
        level: "warn",
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        worker: ready.worker,
        task: id,
        attempt: 1,
        attempts: 1,
        code: "HANDLER_FAILED",
        error: "no luck",
        tookMs: expect.any(Number),
      }),
    ]);
    expect(ofDispatcher.map(({ event }) => event)).toContain("dispatcherReady");
    expect(ofDispatcher.find(({ code }) => code === "SHARD_TAKEN")).toMatchObject({
      event: "alarm",
      level: "info",
      shard: 0,
    });
    expect(ended.map(({ stderr }) => stderr).join("")).not.toContain(secret);
  });

  it("is made for people on request, and says no more than is asked for", async () => {
    const worker = await yard.start("start", HANDLERS, "--log-format", "pretty", "--log-level", "info");
    await yard.run("submit", "echo", "1", "--wait");
    worker.kill("SIGTERM");
    const { stderr } = await worker.ended;
    expect(stderr).toMatch(/^\d\d:\d\d:\d\d INFO {2}worker .* is ready: 10 slots for echo/m);
    expect(stderr).not.toContain("echo has ended");
  });

  it("takes no other level", async () => {
    const { code, stderr } = await yard.run("dispatcher", "--log-level", "loud");
    expect(code).toBe(2);
    expect(stderr).toContain("debug, info, warn, error");
  });
});
