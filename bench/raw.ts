import type { BenchOptions } from "./options.ts";
import { UsageError } from "./options.ts";
import { type RawEngine, type RawMeasure, rateWithin } from "./raw/limit.ts";
import { postgresLimits } from "./raw/postgres.ts";
import { processLimits } from "./raw/process.ts";
import { rabbitLimits } from "./raw/rabbitmq.ts";
import { redisLimits } from "./raw/redis.ts";
import { sqliteLimits } from "./raw/sqlite.ts";
import { type Spread, spread } from "./statistics.ts";

/** What the engines, and Node.js, do on this machine at most: how far a yard is from them can be measured then. */
export async function* rawLimits(
  options: BenchOptions,
): AsyncGenerator<{ readonly engine: string; readonly measures: Record<string, Spread> }> {
  for (const { open } of chosen(options.engine)) {
    const limits = await open();
    try {
      const measures: Record<string, Spread> = {};
      for (const measure of limits.measures) {
        const rates = await repeated(measure, options);
        measures[measure.name] = spread(rates);
        if (measure.isRoundTrip)
          measures[`${measure.name} (µs each)`] = spread(rates.map((rate) => 1e6 / rate));
      }
      yield { engine: limits.name, measures };
    } finally {
      await limits.close();
    }
  }
}

const ENGINES: readonly { readonly engine: string; readonly open: () => Promise<RawEngine> }[] = [
  { engine: "node", open: processLimits },
  { engine: "sqlite", open: sqliteLimits },
  { engine: "redis", open: redisLimits },
  { engine: "postgres", open: postgresLimits },
  { engine: "rabbitmq", open: rabbitLimits },
];

/** All, or those that an engine such as `rabbitmq+redis` is made of. */
function chosen(engine: string | null): typeof ENGINES {
  if (engine === null) return ENGINES;
  const parts = engine.split("+");
  const some = ENGINES.filter((each) => parts.includes(each.engine));
  if (some.length === 0)
    throw new UsageError(`--only raw takes an --engine of ${ENGINES.map((each) => each.engine).join(", ")}`);
  return some;
}

async function repeated(measure: RawMeasure, { repeat, seconds }: BenchOptions): Promise<number[]> {
  await rateWithin(measure, WARM_SECONDS);
  const rates: number[] = [];
  while (rates.length < repeat) rates.push(await rateWithin(measure, seconds));
  return rates;
}

const WARM_SECONDS = 0.2;
