/** What is the reader's own in the fragments that the docs show. */

import type { drizzle } from "drizzle-orm/node-postgres";
import type { FastifyInstance } from "fastify";
import type { Client } from "pg";
import type { Sql } from "postgres";
import type { ExpectStatic } from "vitest";
import type * as zod from "zod";
import type { Handler, TaskDefinition, TaskHandle, Yard } from "../src/index.ts";
import type { Handlers } from "../src/worker.ts";

interface Resize {
  readonly url: string;
  readonly width: number;
}

interface Order {
  readonly item: string;
}

interface Charge {
  readonly amount: number;
  readonly currency: string;
}

type Row = Readonly<Record<string, unknown>>;

export declare const url: string;
export declare const yard: Yard;
export declare const handlers: readonly Handler[];
export declare const on: Handlers<object>["on"];
export declare const task: TaskHandle<string>;

export declare const resize: TaskDefinition<Resize, { readonly bytes: number }>;
export declare const input: Resize;
export declare const inputs: readonly Resize[];
export declare const photo: string;
export declare const ship: TaskDefinition<Order | string, string>;
export declare const order: Order;
export declare const item: string;
export declare const count: TaskDefinition<{ readonly file: string }, number>;
export declare const sum: TaskDefinition<number[], number>;
export declare const total: TaskDefinition<number[], number>;
export declare const files: readonly string[];
export declare const report: TaskDefinition<{ readonly kind: string }, void>;
export declare const poll: TaskDefinition<object, void>;
export declare const charge: TaskDefinition<Charge, Row>;
export declare const payment: TaskDefinition<{ readonly id: string; readonly amount: number }, void>;
export declare const send: (to: string) => Promise<void>;
export declare const fetchPage: TaskDefinition<{ readonly url: string }, string>;
export declare const parse: TaskDefinition<string, Row>;
export declare const store: TaskDefinition<Row, void>;
export declare const insert: TaskDefinition<Row, number>;
export declare const resizeImage: (call: { readonly input: Resize }) => Promise<{ readonly bytes: number }>;
export declare const openDb: () => Promise<{ resize(image: Resize): Promise<number> }>;
export declare const table: { insertAll(rows: readonly Row[]): Promise<number[]> };
export declare const id: string;
export declare const token: string;
export declare const file: { write(text: string): unknown };

export declare const z: typeof zod.z;
export declare const expect: ExpectStatic;
export declare const app: FastifyInstance;
export declare const client: Client;
export declare const sql: Sql;
export declare const db: ReturnType<typeof drizzle>;

// The shapes of what is not installed here, as their packages declare them.
export declare const sqlite: { prepare(sql: string): { run(...params: unknown[]): unknown } };
interface CompiledStatement {
  readonly sql: string;
}
export declare const CompiledQuery: { raw(sql: string, params?: unknown[]): CompiledStatement };
interface KyselyTransaction {
  insertInto(table: string): { values(row: Row): { execute(): Promise<unknown> } };
  executeQuery(query: CompiledStatement): Promise<unknown>;
}
export declare const kysely: {
  transaction(): { execute<T>(work: (tx: KyselyTransaction) => Promise<T>): Promise<T> };
};
interface PrismaTransaction {
  $executeRawUnsafe(query: string, ...values: unknown[]): PromiseLike<number>;
}
export declare const prisma: { $transaction<T>(work: (tx: PrismaTransaction) => Promise<T>): Promise<T> };
export declare const stripe: {
  charges: { create(params: Charge, options?: { idempotencyKey?: string; timeout?: number }): Promise<Row> };
};
