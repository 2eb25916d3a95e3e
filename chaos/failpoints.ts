/** Places in a process's life where it may be made to end or to stand still. */
export const POINTS = [
  "commit.before",
  "commit.after",
  "assign.after",
  "send.after",
  "acquire.after",
  "load.after",
  "assigned",
  "handler",
  "effect",
  "report.before",
  "report.after",
] as const;
export type Point = (typeof POINTS)[number];

/** Sends this process a signal at a point, once. */
export class Failpoints {
  #armed: { readonly point: Point; readonly signal: NodeJS.Signals } | null = null;

  arm(point: Point, signal: NodeJS.Signals): void {
    this.#armed = { point, signal };
  }

  hit(point: Point): void {
    if (this.#armed?.point !== point) return;
    const { signal } = this.#armed;
    this.#armed = null;
    process.kill(process.pid, signal);
  }
}
