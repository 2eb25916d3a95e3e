import type { Chance } from "./chance.ts";
import type { Fields } from "./fields.ts";

/** A quantity that varies, by its usual parameters. */
export type Distribution =
  | { readonly type: "constant"; readonly value: number }
  | { readonly type: "uniform"; readonly from: number; readonly to: number }
  | { readonly type: "exponential"; readonly mean: number }
  /** `sigma` is the standard deviation of the logarithm. */
  | { readonly type: "lognormal"; readonly median: number; readonly sigma: number }
  /** Heavy tails: the mean is infinite for `shape` up to 1, the variance up to 2. */
  | { readonly type: "pareto"; readonly least: number; readonly shape: number; readonly most: number }
  | { readonly type: "bimodal"; readonly low: number; readonly high: number; readonly highShare: number };

const POSITIVE = { min: 0, max: 1e12 };

/** Reads one of `5`, `{ exponential: 5 }`, `{ uniform: …, to: … }`, `{ lognormal: …, sigma: … }`, `{ pareto: …, shape: … }`, `{ bimodal: …, high: …, highShare: … }`. */
export function distributionOf(fields: Fields): Distribution {
  const distribution = oneOf(fields);
  fields.done();
  return distribution;
}

function oneOf(fields: Fields): Distribution {
  if (fields.has("exponential"))
    return { type: "exponential", mean: fields.number("exponential", undefined, POSITIVE) };
  if (fields.has("uniform")) {
    const from = fields.number("uniform", undefined, POSITIVE);
    return { type: "uniform", from, to: fields.number("to", undefined, { min: from, max: 1e12 }) };
  }
  if (fields.has("lognormal"))
    return {
      type: "lognormal",
      median: fields.number("lognormal", undefined, POSITIVE),
      sigma: fields.number("sigma", 1, { min: 0, max: 10 }),
    };
  if (fields.has("pareto"))
    return {
      type: "pareto",
      least: fields.number("pareto", undefined, POSITIVE),
      shape: fields.number("shape", 1.5, { min: 0.1, max: 100 }),
      most: fields.number("most", 1e12, POSITIVE),
    };
  if (fields.has("bimodal"))
    return {
      type: "bimodal",
      low: fields.number("bimodal", undefined, POSITIVE),
      high: fields.number("high", undefined, POSITIVE),
      highShare: fields.number("highShare", 0.1, { min: 0, max: 1 }),
    };
  return { type: "constant", value: fields.number("constant", undefined, POSITIVE) };
}

export function draw(distribution: Distribution, chance: Chance): number {
  switch (distribution.type) {
    case "constant":
      return distribution.value;
    case "uniform":
      return distribution.from + (distribution.to - distribution.from) * chance.fraction();
    case "exponential":
      return chance.exponential(distribution.mean);
    case "lognormal":
      return distribution.median * Math.exp(distribution.sigma * chance.normal());
    case "pareto": {
      const { least, shape, most } = distribution;
      return Math.min(most, least / (1 - chance.fraction()) ** (1 / shape));
    }
    case "bimodal":
      return chance.fraction() < distribution.highShare ? distribution.high : distribution.low;
  }
}
