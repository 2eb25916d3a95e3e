import { endedWithin } from "../deadline.ts";
import { type Cancel, fraction, type Host } from "../host.ts";
import { messageOf, YardmasterError } from "../protocol/errors.ts";
import type { Address } from "./address.ts";
import { type Driver, type Row, ServerSession, type Statement, type Value } from "./driver.ts";
import { type Half, translate } from "./failure.ts";

/** What the owner of a link does with its sessions. */
export interface LinkHooks {
  /** Prepares a new session before anybody else uses it. */
  readonly opened: (session: ServerSession) => Promise<void>;
  /** The session can be used. */
  readonly up?: () => void;
  readonly lost?: () => void;
  readonly notified?: (channel: string) => void;
}

/**
 * One connection that comes back by itself. While it is away every statement fails at once; one that is not answered
 * in time ends the session, as its outcome is unknown.
 */
export class Link {
  readonly #driver: Driver;
  readonly #address: Address;
  readonly #host: Host;
  readonly #hooks: LinkHooks;
  /** When each statement went out that has no answer yet. */
  readonly #sent: number[] = [];
  #session: ServerSession | null = null;
  #trouble: string | null = "It was not opened yet.";
  #connecting: ServerSession | null = null;
  #isClosed = false;
  #isWatching = false;
  #cancelWatch: Cancel = () => undefined;
  #cancelRetry: Cancel = () => undefined;

  constructor(driver: Driver, address: Address, host: Host, hooks: LinkHooks) {
    this.#driver = driver;
    this.#address = address;
    this.#host = host;
    this.#hooks = hooks;
  }

  /** Why it is away; null while it is there. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Makes one attempt and rejects if it fails; from then on the link comes back by itself. */
  async open(half: Half): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      throw translate(error, half, this.#address.where);
    }
  }

  async run(half: Half, query: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    const session = this.#session;
    if (this.#isClosed) throw new YardmasterError("CLOSED", "The yard was closed.");
    if (session === null) {
      throw new YardmasterError(half, `PostgreSQL at ${this.#address.where} is away: ${this.#trouble}`);
    }
    this.#sent.push(this.#host.monotonic());
    this.#watch();
    try {
      return await session.run(query, values);
    } catch (error) {
      throw translate(error, half, this.#address.where);
    } finally {
      if (session === this.#session) this.#sent.shift();
    }
  }

  /** Ends the session after what was sent, or when `timeoutMs` have passed. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelWatch();
    this.#cancelRetry();
    this.#connecting?.cut();
    const session = this.#session;
    if (session === null) return;
    const ending = session.end().catch(() => undefined);
    if (!(await endedWithin(this.#host, timeoutMs, ending))) session.cut();
  }

  async #connect(): Promise<void> {
    const session: ServerSession = new ServerSession(this.#driver, this.#address.url, {
      ended: (error) => this.#lost(session, error),
      notified: (channel) => this.#hooks.notified?.(channel),
    });
    const cancel = this.#host.after(ANSWER_MS, () => session.cut());
    this.#connecting = session;
    try {
      await session.connect();
      await session.run(SETTINGS);
      await this.#hooks.opened(session);
    } catch (error) {
      session.cut();
      throw error;
    } finally {
      cancel();
      this.#connecting = null;
    }
    if (this.#isClosed) return void session.end().catch(() => undefined);
    this.#session = session;
    this.#sent.length = 0;
    this.#trouble = null;
    this.#hooks.up?.();
  }

  #lost(session: ServerSession, error: Error): void {
    if (session !== this.#session) return;
    this.#session = null;
    this.#sent.length = 0;
    this.#trouble = messageOf(error);
    if (this.#isClosed) return;
    this.#hooks.lost?.();
    this.#reconnect(FIRST_RETRY_MS);
  }

  #reconnect(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancelRetry = this.#host.after(delayMs * (0.5 + fraction(this.#host) / 2), () => {
      if (this.#isClosed) return;
      this.#connect().catch((error: unknown) => {
        this.#trouble = messageOf(error);
        this.#reconnect(Math.min(delayMs * 2, LAST_RETRY_MS));
      });
    });
  }

  /** One timer for all that wait: answers come in the order of the statements. */
  #watch(delayMs = ANSWER_MS): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#cancelWatch = this.#host.after(delayMs, () => {
      this.#isWatching = false;
      const [oldest] = this.#sent;
      const session = this.#session;
      if (oldest === undefined || session === null) return;
      const leftMs = oldest + ANSWER_MS - this.#host.monotonic();
      if (leftMs > 0) return this.#watch(leftMs);
      this.#lost(session, new Error(`no answer within ${ANSWER_MS} ms`));
      session.cut();
    });
  }
}

/**
 * The server ends by itself what we no longer wait for, and sessions whose peer is cut off. Every statement of ours
 * goes by an index, whatever the statistics of a table that was empty a moment ago say.
 */
export const SETTINGS = `
  SET client_encoding = 'UTF8'; SET statement_timeout = '9s'; SET idle_in_transaction_session_timeout = '9s';
  SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
  SET tcp_user_timeout = '10s'; SET jit = off; SET plan_cache_mode = force_generic_plan;
  SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;
  SET bytea_output = 'hex'; SET lock_timeout = 0; SET default_transaction_isolation = 'read committed';
  SET default_transaction_read_only = off`;

const ANSWER_MS = 10_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;
