import type { Fleet, Member } from "./fleet.ts";

const WIDTH = 40;
const REDRAW_MS = 100;
/** A log gets a line each time this much more is done. */
const LOG_STEP = 0.1;

/** Shows how far the run is: bars that move on a terminal, plain lines elsewhere. */
export class Progress {
  private readonly stream: NodeJS.WriteStream;
  private readonly fleet: Fleet;
  private readonly total: number;
  private readonly byPid = new Map<number, number>();
  private readonly startedAt = performance.now();
  private done = 0;
  private drawnAt = 0;
  private drawnLines = 0;
  private logged = 0;

  constructor(stream: NodeJS.WriteStream, fleet: Fleet, total: number) {
    this.stream = stream;
    this.fleet = fleet;
    this.total = total;
  }

  completed(pid: number): void {
    this.done += 1;
    this.byPid.set(pid, (this.byPid.get(pid) ?? 0) + 1);
    if (this.stream.isTTY) {
      if (performance.now() - this.drawnAt >= REDRAW_MS || this.done === this.total) this.draw();
    } else if (this.done >= (this.logged + LOG_STEP) * this.total || this.done === this.total) {
      this.logged = this.done / this.total;
      this.stream.write(`${this.headline()}\n`);
    }
  }

  /** Says something above the bars. */
  say(text: string): void {
    this.erase();
    this.stream.write(`${text}\n`);
    if (this.stream.isTTY) this.draw();
  }

  private draw(): void {
    this.erase();
    const lines = [`${bar(this.done / this.total)} ${this.headline()}`];
    const most = Math.max(1, ...this.byPid.values());
    for (const worker of this.fleet.workers) lines.push(this.workerLine(worker, most));
    this.stream.write(`${lines.join("\n")}\n`);
    this.drawnLines = lines.length;
    this.drawnAt = performance.now();
  }

  private erase(): void {
    if (this.drawnLines > 0) this.stream.write(`\u001b[${this.drawnLines}A\u001b[J`);
    this.drawnLines = 0;
  }

  private headline(): string {
    const rate = this.done / ((performance.now() - this.startedAt) / 1000);
    return `${this.done}/${this.total} files, ${Math.round(rate)}/s`;
  }

  private workerLine({ title, pid, isAlive }: Member, most: number): string {
    const done = this.byPid.get(pid) ?? 0;
    return `${bar(done / most)} ${title} ${isAlive ? "" : "(killed) "}${done}`;
  }
}

function bar(fraction: number): string {
  const filled = Math.round(fraction * WIDTH);
  return `[${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}]`;
}
