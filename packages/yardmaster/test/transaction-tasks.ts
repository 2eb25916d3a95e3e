import { defineTask, type TaskDefinition } from "../src/index.ts";

export const double: TaskDefinition<number, number> = defineTask<number, number>({ name: "double" });
