import type { RunReport } from "./scenario.ts";

const MAX_SHOWN_BY_RULE = 2;

/** One fault can break a rule for every task: the first few of each rule tell enough. */
export function printViolations({ seed, violations }: RunReport): void {
  const shown = new Map<string, number>();
  for (const { rule, at, message } of violations) {
    const count = (shown.get(rule) ?? 0) + 1;
    shown.set(rule, count);
    if (count <= MAX_SHOWN_BY_RULE) print(`seed ${seed} at ${(at / 1000).toFixed(3)} s: ${rule}: ${message}`);
  }
  for (const [rule, count] of shown)
    if (count > MAX_SHOWN_BY_RULE) print(`seed ${seed}: ${rule} ${count} times`);
}

export function hex(hash: number): string {
  return hash.toString(16).padStart(8, "0");
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
