import type { Command } from "commander";
import { systemHost } from "../../host.ts";
import { messageOf } from "../../protocol/errors.ts";
import type { Yard } from "../../yard.ts";
import { EXIT } from "../exit-code.ts";
import { whole } from "../options.ts";
import { shutdownAsked } from "../shutdown.ts";
import { outputOf, type Target, targetOf } from "../target.ts";
import { frameOf, SORTS, type Sort } from "../top/frame.ts";
import { Screen } from "../top/screen.ts";
import { type Snapshot, takeSnapshot } from "../top/snapshot.ts";
import { type Exit, withYard } from "../yard-command.ts";

interface TopOptions {
  readonly intervalMs: number;
  readonly once?: boolean;
}

const MAX_INTERVAL_MS = 3_600_000;
const PAGE = { columns: 140, rows: 1_000 };

export function addTop(program: Command, exit: Exit): void {
  program
    .command("top")
    .description("watch queues, workers, rates and what waits too long; one look where no terminal is")
    .option("--interval-ms <ms>", "how often to look", whole(100, MAX_INTERVAL_MS), 1_000)
    .option("--once", "look twice, print, and end")
    .action(async (options: TopOptions, command: Command) => exit(await top(command, options)));
}

function top(command: Command, { intervalMs, once = false }: TopOptions): Promise<number> {
  const output = outputOf(command);
  const title = titleOf(targetOf(command));
  return withYard(command, async (yard) => {
    if (once || output.json || !process.stdout.isTTY) {
      const before = await takeSnapshot(yard);
      // Rates need two looks.
      await new Promise<void>((resolve) => systemHost.after(intervalMs, resolve));
      const now = await takeSnapshot(yard);
      const view = { ...PAGE, sort: "waiting", isPaused: false, title, trouble: "" } as const;
      output.say(frameOf(now, before, view).slice(0, -1).join("\n"));
      output.emit(now);
      return EXIT.ok;
    }
    await new Live(yard, title, intervalMs).run();
    return EXIT.ok;
  });
}

/** The view that goes on until `q`, Ctrl-C or a signal. */
class Live {
  readonly #yard: Yard;
  readonly #title: string;
  readonly #intervalMs: number;
  readonly #screen: Screen;
  #sort: Sort = SORTS[0];
  #isPaused = false;
  #isOver = false;
  #trouble = "";
  #before: Snapshot | null = null;
  #now: Snapshot | null = null;
  #end: () => void = () => undefined;

  constructor(yard: Yard, title: string, intervalMs: number) {
    this.#yard = yard;
    this.#title = title;
    this.#intervalMs = intervalMs;
    this.#screen = new Screen(
      process.stdout,
      process.stdin,
      (key) => this.#pressed(key),
      () => this.#draw(),
    );
  }

  async run(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    void shutdownAsked().then(() => this.#end());
    this.#screen.open();
    try {
      void this.#look();
      await ended;
    } finally {
      this.#isOver = true;
      this.#screen.close();
    }
  }

  async #look(): Promise<void> {
    if (!this.#isPaused) {
      try {
        const now = await takeSnapshot(this.#yard);
        this.#before = this.#now;
        this.#now = now;
        this.#trouble = "";
      } catch (error) {
        // The last picture stays, and says that it is old.
        this.#trouble = messageOf(error);
      }
      this.#draw();
    }
    if (!this.#isOver) systemHost.after(this.#intervalMs, () => void this.#look());
  }

  #pressed(key: string): void {
    if (key === "q") this.#end();
    if (key === "s") this.#sort = SORTS[(SORTS.indexOf(this.#sort) + 1) % SORTS.length] ?? this.#sort;
    if (key === " ") this.#isPaused = !this.#isPaused;
    this.#draw();
  }

  #draw(): void {
    if (this.#isOver) return;
    const { columns, rows } = this.#screen;
    if (this.#now === null) return this.#screen.draw([this.#trouble === "" ? "looking …" : this.#trouble]);
    const view = { columns, rows, sort: this.#sort, isPaused: this.#isPaused, title: this.#title };
    this.#screen.draw(frameOf(this.#now, this.#before, { ...view, trouble: this.#trouble }));
  }
}

/** Which yard, without a password. */
function titleOf(target: Target): string {
  const urls = "url" in target ? [target.url] : [target.broker, target.store];
  return urls.map((url) => url.replace(/\/\/[^@/]*@/, "//")).join(" + ");
}
