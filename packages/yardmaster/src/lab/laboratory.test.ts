import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { policyChart } from "./chart.ts";
import { BASELINE, compare } from "./laboratory.ts";
import { pageOf, rowOf } from "./report.ts";
import { LabRun } from "./run.ts";
import { type Policy, readScenario, type Scenario } from "./scenario.ts";

const SCENARIOS = join(import.meta.dirname, "../../../../examples/scenarios");

function scenario(name: string): Scenario {
  return readScenario(readFileSync(join(SCENARIOS, `${name}.yaml`), "utf8"));
}

/** Exponential arrivals and service times, as theory has them: so many servers, each of them busy for that share. */
function queueOf(servers: number, load: number, seed: number): Scenario {
  return {
    name: "M/M/k",
    about: "",
    seed,
    forMs: 4_000_000 / servers / load,
    workers: [workers(servers)],
    tasks: [
      {
        name: "task",
        arrivals: { type: "poisson", perSecond: servers * load, swing: 0, periodMs: 1 },
        serviceMs: { type: "exponential", mean: 1_000 },
        tenants: 0,
        heaviest: 0,
        priority: { type: "constant", value: 0 },
        deadlineMs: null,
        needs: {},
        labels: {},
        concurrency: 0,
        affinities: 0,
        coldMs: 0,
      },
    ],
    policies: [],
    delayMs: null,
  };
}

function workers(count: number): Scenario["workers"][number] {
  const downMs = { type: "constant", value: 0 } as const;
  return {
    count,
    slots: 1,
    threads: 1,
    warmKeys: 1,
    speed: 1,
    labels: {},
    resources: {},
    livesMs: null,
    downMs,
  };
}

/** The mean wait by A. Erlang's formula C, in service times. */
function erlangWait(servers: number, load: number): number {
  const offered = servers * load;
  let term = 1;
  let sum = 1;
  for (let n = 1; n < servers; n++) {
    term *= offered / n;
    sum += term;
  }
  const all = (term * offered) / servers / (1 - load);
  return all / (sum + all) / (servers * (1 - load));
}

describe("against theory", () => {
  it.each([
    [1, 0.5],
    [1, 0.8],
    [4, 0.8],
    [16, 0.9],
  ])("%i servers at load %f make tasks wait as Erlang says, within 95 %%", (servers, load) => {
    const means = Array.from({ length: 20 }, (_, run) => {
      const { waitMs } = new LabRun(queueOf(servers, load, 1_000 + run), BASELINE).run().figures;
      return waitMs.mean / 1_000;
    });
    const mean = means.reduce((sum, one) => sum + one) / means.length;
    const variance = means.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (means.length - 1);
    // Student's t for 19 degrees of freedom.
    const halfWidth = 2.093 * Math.sqrt(variance / means.length);
    const expected = erlangWait(servers, load);
    expect(Math.abs(mean - expected)).toBeLessThan(halfWidth);
    expect(halfWidth / expected).toBeLessThan(0.25);
  });

  it("uses the slots as much as work is offered", () => {
    const { utilisation } = new LabRun(queueOf(8, 0.7, 5), BASELINE).run().figures;
    expect(utilisation).toBeGreaterThan(0.65);
    expect(utilisation).toBeLessThan(0.75);
  });
});

describe("the scenarios", () => {
  it("give the same figures for the same seed, and the same arrivals under every policy", () => {
    const bursty = { ...scenario("bursty-tenants"), forMs: 60_000 };
    const figures = [...compare(bursty)].map((measure) => measure.figures);
    expect([...compare(bursty)].map((measure) => measure.figures)).toEqual(figures);
    expect(new Set(figures.map(({ tasks }) => tasks)).size).toBe(1);
    expect(new LabRun({ ...bursty, seed: 99 }, BASELINE).run().figures).not.toEqual(figures[0]);
  });

  it("show what fairness is for", () => {
    const [fifo, , fair] = [...compare(scenario("bursty-tenants"))].map((measure) => measure.figures);
    expect(fair?.policy).toBe("fair, least-loaded");
    expect(fair?.waitMs.p50).toBeLessThan((fifo?.waitMs.p50 ?? 0) / 10);
  });

  it("show what shortest first and deadlines are for", () => {
    const [fifo, , shortest, deadline] = [...compare(scenario("heavy-tails"))].map(({ figures }) => figures);
    expect(shortest?.slowdown.mean).toBeLessThan((fifo?.slowdown.mean ?? 0) / 2);
    expect(deadline?.deadlineMisses).toBeLessThan((fifo?.deadlineMisses ?? 0) / 10);
  });

  it("lose no task to workers that die", () => {
    for (const { figures } of compare({ ...scenario("unequal-workers"), forMs: 100_000 })) {
      expect(figures.tasks).toBeGreaterThan(1_000);
      expect(figures.lostMs).toBeGreaterThan(0);
    }
  });

  it("have all their slots again when workers die whose last words are on the way", () => {
    const text = `
      seconds: 300
      messageMs: 200
      workers: [{ count: 4, slots: 3, livesMs: { exponential: 20000 } }]
      tasks: [{ arrivals: { perSecond: 8 }, serviceMs: { exponential: 800 } }]`;
    for (const { figures } of compare(readScenario(text))) expect(figures.tookMs).toBeLessThan(310_000);
  });

  it("are all valid", () => {
    for (const file of readdirSync(SCENARIOS))
      expect(scenario(file.replace(".yaml", "")).policies.length, file).toBeGreaterThan(0);
  });

  it.each([
    ["at once", ""],
    ["late", "messageMs: { exponential: 200 }"],
  ])("end each task once where second attempts wait for threads and are told to end %s", (_, messages) => {
    const text = `
      seconds: 60
      ${messages}
      workers: [{ count: 3, slots: 4, threads: 2 }, { slots: 4, threads: 2, speed: 0.1 }]
      tasks: [{ arrivals: { perSecond: 5 }, serviceMs: 400, speculative: { afterFactor: 1, afterMs: 0 } }]
      policies: [{ speculative: true }]`;
    const [alone, joined] = [...compare(readScenario(text))];
    expect(joined?.figures.tasks).toBe(alone?.figures.tasks);
    expect(joined?.figures.lostMs).toBeGreaterThan(0);
    expect(alone?.figures.lostMs).toBe(0);
  });

  it("are drawn and told without a script, whatever their names are", () => {
    const named = { ...queueOf(2, 0.5, 1), name: "<script>&", forMs: 5_000 };
    const policies: Policy[] = [{ ...BASELINE, name: '"x"', order: "lifo" }];
    const measures = [...compare({ ...named, policies })];
    const page = pageOf(measures);
    expect(page).not.toContain("<script");
    expect(page).toContain("&#60;script&#62;&#38;");
    expect(policyChart(measures)).toContain("&#34;x&#34;");
    expect(policyChart([])).toBe("");
    expect(rowOf(measures[0]?.figures as never)[0]).toBe("fifo, random");
  });
});

describe("workers that fall silent", () => {
  const TASKS = "tasks: [{ arrivals: { perSecond: 5 }, serviceMs: { exponential: 800 } }]";
  const figuresOf = (text: string) => [...compare(readScenario(text))].map(({ figures }) => figures);

  it.each([
    ["at once", "", ""],
    ["late", "messageMs: { exponential: 200 }", ""],
    ["late, and workers die", "messageMs: { exponential: 200 }", "livesMs: { exponential: 60000 }, "],
  ])(
    "for longer than the limit cost time, and each task ends once where messages come %s",
    (_, messages, more) => {
      const text = (silences: string): string => `
      seconds: 300
      ${messages}
      heartbeats: {}
      workers: [{ count: 6, slots: 3, threads: 2, ${more}${silences} }]
      ${TASKS.replace("}]", ", speculative: { afterFactor: 2, afterMs: 500 } }]")}
      policies: [{ placement: least-loaded }, { order: lifo, placement: sticky, speculative: true }]`;
      const heard = figuresOf(text(""));
      const silent = figuresOf(
        text("heardMs: { exponential: 20000 }, silentMs: { uniform: 5000, to: 40000 }"),
      );
      expect(silent).toHaveLength(3);
      for (const [index, { tasks, lostMs, dropped, endMs }] of silent.entries()) {
        expect([tasks, dropped]).toEqual([heard[index]?.tasks, 0]);
        expect(lostMs).toBeGreaterThan(0);
        expect(endMs.mean).toBeGreaterThan(heard[index]?.endMs.mean ?? 0);
      }
    },
  );

  it("for less than the limit cost nothing but the time until they are heard", () => {
    const text = (silences: string): string => `
      seconds: 300
      heartbeats: { everyMs: 2000, lossMs: 10000 }
      workers: [{ count: 6, slots: 2, ${silences} }]
      ${TASKS}`;
    const [heard] = figuresOf(text(""));
    const [silent] = figuresOf(text("heardMs: { exponential: 10000 }, silentMs: 7900"));
    expect(silent?.lostMs).toBe(0);
    expect(silent?.tasks).toBe(heard?.tasks);
    expect(silent?.endMs.p99).toBeGreaterThan(2 * (heard?.endMs.p99 ?? 0));
  });

  it("bring what they ended back: where nobody has done it again, it counts", () => {
    const [figures] = figuresOf(`
      heartbeats: {}
      workers: [{ heardMs: 5500, silentMs: 30000 }]
      tasks: [{ arrivals: { atOnce: 8 }, serviceMs: 1000 }]`);
    // Five before the silence, the sixth in it, and two after it.
    expect(figures).toMatchObject({
      tasks: 8,
      lostMs: 0,
      tookMs: 37_500,
      endMs: { p50: 5_000, max: 37_500 },
    });
  });

  it("save another the rest of what they have ended first", () => {
    const [figures] = figuresOf(`
      heartbeats: {}
      workers: [{ heardMs: 5500, silentMs: 30000 }, {}]
      tasks: [{ arrivals: { atOnce: 3 }, serviceMs: 20000 }]`);
    // The other one begins it at 20 s and is told to end at 35.5 s.
    expect(figures).toMatchObject({ tasks: 3, lostMs: 15_500, endMs: { p50: 35_500 } });
  });

  it("are told to end what was taken from them, and take new work once they have", () => {
    const [figures] = figuresOf(`
      heartbeats: {}
      workers: [{ heardMs: 5500, silentMs: 30000 }, { slots: 2 }]
      tasks: [{ arrivals: { atOnce: 3 }, serviceMs: 40000 }]`);
    // It begins the same one at 0 s and at 35.5 s, and loses it at its return each time.
    expect(figures).toMatchObject({ tasks: 3, lostMs: 71_000 });
  });

  it("may be taken for lost for the sake of messages alone that take long", () => {
    const [figures] = figuresOf(`
      seconds: 300
      messageMs: { bimodal: 5, high: 15000, highShare: 0.05 }
      heartbeats: { everyMs: 2000, lossMs: 6000 }
      workers: [{ count: 6, slots: 2 }]
      ${TASKS}`);
    expect(figures?.lostMs).toBeGreaterThan(0);
  });

  it("change nothing where none does", () => {
    const text = (heartbeats: string): string => `
      ${heartbeats}
      workers: [{ count: 4, slots: 2, livesMs: { exponential: 20000 } }]
      ${TASKS}
      policies: [{ order: fair, placement: two-choices }]`;
    expect(figuresOf(text("heartbeats: {}"))).toEqual(figuresOf(text("")));
  });
});

describe("a scenario that is wrong", () => {
  const minimal = "workers: [{}]\ntasks: [{ arrivals: { perSecond: 1 }, serviceMs: 5 }]\n";
  it.each([
    ["The scenario", "5"],
    ["workers", "tasks: []"],
    ["tasks[0].arrivals", "workers: [{}]\ntasks: [{ serviceMs: 5 }]"],
    ["tasks[0].arrivals.perSecond", "workers: [{}]\ntasks: [{ arrivals: {}, serviceMs: 5 }]"],
    [
      "tasks[0].serviceMs.exponential",
      "workers: [{}]\ntasks: [{ arrivals: { perSecond: 1 }, serviceMs: { exponential: x } }]",
    ],
    ["policies[0].order", `${minimal}policies: [{ order: best }]`],
    ["workers[0].slot", "workers: [{ slot: 3 }]\ntasks: [{ arrivals: { perSecond: 1 }, serviceMs: 5 }]"],
    [
      "workers",
      "workers: [{ count: 60000 }, { count: 60000 }]\ntasks: [{ arrivals: { atOnce: 1 }, serviceMs: 5 }]",
    ],
    ["seconds", `${minimal}seconds: -1`],
    ["heartbeats.everyMs", `${minimal}heartbeats: { everyMs: 0 }`],
    ["heartbeats.lossMs", `${minimal}heartbeats: { everyMs: 5000, lossMs: 4000 }`],
    ["heartbeats.lossMs", `${minimal}heartbeats: { lossMs: soon }`],
    ["heartbeats.silentMs", `${minimal}heartbeats: { silentMs: 5 }`],
    ["heartbeats", minimal.replace("{}", "{ heardMs: 5, silentMs: 5 }")],
    ["workers[0].heardMs", `${minimal.replace("{}", "{ silentMs: 5 }")}heartbeats: {}`],
    ["workers[0].silentMs", `${minimal.replace("{}", "{ heardMs: 5 }")}heartbeats: {}`],
    [
      "workers[0].silentMs.to",
      `${minimal.replace("{}", "{ heardMs: 5, silentMs: { uniform: 5, to: 1 } }")}heartbeats: {}`,
    ],
    ["tasks[0].needs", minimal.replace("serviceMs", "needs: { gpu: 1 }, serviceMs")],
    ["tasks[0].labels", minimal.replace("serviceMs", "labels: { zone: eu }, serviceMs")],
    ["policies[0].speculative", `${minimal}policies: [{ speculative: 3 }]`],
    [
      "tasks[0].speculative.afterFactor",
      "workers: [{}]\ntasks: [{ arrivals: { atOnce: 1 }, serviceMs: 5, speculative: { afterFactor: 0.5 } }]",
    ],
  ])("names %s", (field, text) => {
    expect(() => readScenario(text)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTIONS", details: { field } }),
    );
  });

  it("may be no YAML at all", () => {
    expect(() => readScenario("a: [")).toThrow("is not YAML");
  });

  it("has defaults for all but arrivals and service times", () => {
    expect(readScenario(minimal)).toMatchObject({
      seed: 1,
      forMs: 60_000,
      policies: [{ name: "fifo, two-choices" }],
    });
  });

  it("takes every distribution and every kind of arrival", () => {
    const kinds = [
      "5",
      "{ uniform: 1, to: 9 }",
      "{ lognormal: 5, sigma: 0.5 }",
      "{ pareto: 2, shape: 2, most: 50 }",
      "{ bimodal: 1, high: 9 }",
    ];
    const arrivals = [
      "{ atOnce: 20 }",
      "{ burst: 5, everyMs: 100 }",
      "{ perSecond: 20, swing: 1, periodSeconds: 2 }",
    ];
    for (const serviceMs of kinds)
      for (const each of arrivals) {
        const text = `seconds: 1\nworkers: [{ slots: 2 }]\ntasks: [{ arrivals: ${each}, serviceMs: ${serviceMs}, tenants: 3, heaviest: 0.5 }]`;
        expect(new LabRun(readScenario(text), BASELINE).run().figures.tasks, text).toBeGreaterThan(5);
      }
  });
});
