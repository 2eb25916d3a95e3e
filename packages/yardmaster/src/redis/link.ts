import { type Cancel, fraction, type Host } from "../host.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import { type Argument, type Client, sendRaw } from "./driver.ts";

/** A connection as the server knows it. */
export interface Connected {
  readonly client: Client;
  /** The server's number of this connection, never given twice in a run. */
  readonly clientId: string;
  /** Names this run of the server: another one after each restart. "" where nobody asked. */
  readonly run: string;
  /** For messages. */
  readonly at: string;
}

export interface LinkOptions {
  readonly host: Host;
  /** For messages while nothing is connected. */
  readonly shown: string;
  /** One attempt to connect. */
  dial(): Promise<Connected>;
  onUp?(): void;
  onDown?(): void;
}

/**
 * A connection that comes back. While it is down, calls fail at once; nothing is queued and nothing sent again. A call
 * without an answer ends the connection: what is half open must not be waited for twice.
 */
export class Link {
  readonly #options: LinkOptions;
  #connected: Connected | null = null;
  #trouble: string | null = "not connected yet";
  #isClosed = false;
  #opening: Promise<void> | null = null;
  #cancelRetry: Cancel | null = null;
  #attempts = 0;
  #upSince = 0;
  #ups = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get trouble(): string | null {
    return this.#trouble;
  }

  /** Of which server, for messages. */
  get shown(): string {
    return this.#options.shown;
  }

  get connected(): Connected | null {
    return this.#connected;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** When the present connection was made, by the monotonic clock. */
  get upSince(): number {
    return this.#upSince;
  }

  /** How often a connection was made. */
  get ups(): number {
    return this.#ups;
  }

  /** Makes one attempt to connect; rejects with what the driver says when it fails. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** Connects in the background, as often as it takes. */
  openLater(): void {
    this.#retry();
  }

  /** The answer, or what the driver says. */
  call(args: readonly Argument[], deadlineMs: number = ANSWER_MS): Promise<unknown> {
    const connected = this.#connected;
    if (connected === null) return Promise.reject(this.#unavailable());
    return new Promise((resolve, reject) => {
      const cancel = this.#options.host.after(deadlineMs, () => {
        const error = new Error(`no answer within ${deadlineMs} ms`);
        reject(error);
        this.#lost(connected, error);
      });
      sendRaw(connected.client, args).then(
        (answer) => {
          cancel();
          resolve(answer);
        },
        (error: unknown) => {
          cancel();
          reject(this.#isClosed ? this.#unavailable() : error);
        },
      );
    });
  }

  /** Ends this connection for another one. */
  drop(why: string): void {
    if (this.#connected !== null) this.#lost(this.#connected, new Error(why));
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#connected?.client.destroy();
    this.#connected = null;
  }

  async #open(): Promise<void> {
    if (this.#connected !== null) return;
    const connected = await this.#options.dial();
    if (this.#isClosed) connected.client.destroy();
    else this.#use(connected);
  }

  #unavailable(): YardmasterError {
    if (this.#isClosed) return new YardmasterError("CLOSED", "The engine was closed.");
    const message = `Redis at ${this.#options.shown} cannot be reached: ${this.#trouble}.`;
    return new YardmasterError("BROKER_UNAVAILABLE", message);
  }

  #use(connected: Connected): void {
    this.#connected = connected;
    this.#trouble = null;
    this.#attempts = 0;
    this.#ups += 1;
    this.#upSince = this.#options.host.monotonic();
    connected.client.on("error", (error) => this.#lost(connected, error));
    connected.client.on("end", () => this.#lost(connected, new Error("the connection was closed")));
    this.#options.onUp?.();
  }

  #lost(connected: Connected, error: unknown): void {
    if (this.#connected !== connected) return;
    this.#connected = null;
    this.#trouble = reason(error);
    connected.client.destroy();
    this.#options.onDown?.();
    if (!this.#isClosed) this.#retry();
  }

  /** Backs off from about 50 ms to 2 s, never all processes at once. */
  #retry(): void {
    const { host } = this.#options;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#attempts, MAX_RETRY_MS) * (0.5 + fraction(host) / 2);
    this.#attempts += 1;
    this.#cancelRetry = host.after(delayMs, () => {
      this.open().catch((error: unknown) => {
        this.#trouble = reason(error);
        if (!this.#isClosed) this.#retry();
      });
    });
  }
}

function reason(error: unknown): string {
  const text = messageOf(error).replace(/\.$/, "");
  return text === "" ? "the connection was lost" : text;
}

/** How long an answer may take. */
const ANSWER_MS = 10_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
