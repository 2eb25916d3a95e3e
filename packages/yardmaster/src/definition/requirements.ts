import { checkName, isAmount } from "../protocol/check.ts";
import { MAX_AMOUNT, MAX_ASKED, MAX_NAME_BYTES, type TaskRequirements } from "../protocol/task.ts";
import type { OptionCheck } from "./options.ts";

/** Which labels a worker must have to run a task, and which make it the better one. */
export interface LabelOptions {
  /** Only workers with all of these run the task. At most 16. */
  readonly required?: Readonly<Record<string, string>>;
  /** Of the workers with a free slot, those with most of these go first. At most 16. */
  readonly preferred?: Readonly<Record<string, string>>;
}

/** What a task asks of its worker. */
export interface RequirementOptions {
  /**
   * How much of what a worker offers (`startWorker({ resources })`) is the task's alone while it runs, by any names:
   * `{ cpu: 1, gpu: 1, memoryMb: 2048 }`. Multiples of a thousandth, at most 16. Counted, not enforced: nothing keeps a
   * handler from using more.
   */
  readonly needs?: Readonly<Record<string, number>>;
  readonly labels?: LabelOptions;
}

/** Undefined where any worker will do. `by` has the place of what is left out. */
export function requirementsOf(
  options: RequirementOptions,
  check: OptionCheck,
  by: TaskRequirements | undefined = undefined,
): TaskRequirements | undefined {
  const { needs, labels = {} } = options;
  if (typeof labels !== "object" || labels === null) check.refuse("labels", "an object", labels);
  check.known(labels, ["required", "preferred"]);
  const requirements = Object.freeze({
    needs: needs === undefined ? (by?.needs ?? NONE) : needsOf(needs, check),
    labels: labelsOf("labels.required", labels.required, check) ?? by?.labels ?? NONE,
    preferred: labelsOf("labels.preferred", labels.preferred, check) ?? by?.preferred ?? NONE,
  });
  const isEmpty = Object.values(requirements).every((asked) => Object.keys(asked).length === 0);
  return isEmpty ? undefined : requirements;
}

const NONE = Object.freeze({});

function needsOf(needs: unknown, check: OptionCheck): Readonly<Record<string, number>> {
  const amounts = amountsOf("needs", needs, check, MAX_ASKED);
  return Object.freeze(Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount > 0)));
}

/** How much of each resource: what a task needs, or a worker offers. */
export function amountsOf(
  field: string,
  amounts: unknown,
  check: OptionCheck,
  most: number,
): Readonly<Record<string, number>> {
  if (typeof amounts !== "object" || amounts === null || Array.isArray(amounts))
    return check.refuse(field, "an object of amounts", amounts);
  const entries = Object.entries(amounts);
  if (entries.length > most) check.refuse(field, `at most ${most} resources`, amounts);
  const checked = entries.map(([name, amount]: [string, unknown]) => {
    checkName(name, "A resource's name", field);
    return isAmount(amount)
      ? ([name, amount] as const)
      : check.refuse(`${field}.${name}`, `a multiple of 0.001 from 0 to ${MAX_AMOUNT}`, amount);
  });
  return Object.freeze(Object.fromEntries(checked.sort(byName)));
}

function labelsOf(
  field: string,
  labels: unknown,
  check: OptionCheck,
): Readonly<Record<string, string>> | undefined {
  return labels === undefined ? undefined : checkedLabels(field, labels, check, MAX_ASKED);
}

/** Labels that a task asks for, or a worker has. */
export function checkedLabels(
  field: string,
  labels: unknown,
  check: OptionCheck,
  most: number,
): Readonly<Record<string, string>> {
  if (typeof labels !== "object" || labels === null || Array.isArray(labels))
    return check.refuse(field, "an object of texts", labels);
  const entries = Object.entries(labels);
  if (entries.length > most) check.refuse(field, `at most ${most} texts`, labels);
  const checked = entries.map(([name, text]: [string, unknown]) => {
    checkName(name, "A label's name", field);
    const fits = typeof text === "string" && text.isWellFormed() && Buffer.byteLength(text) <= MAX_NAME_BYTES;
    return fits
      ? ([name, text] as const)
      : check.refuse(`${field}.${name}`, `text of at most ${MAX_NAME_BYTES} bytes`, text);
  });
  return Object.freeze(Object.fromEntries(checked.sort(byName)));
}

/** In one order, so that equal ones have equal bytes. */
function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
