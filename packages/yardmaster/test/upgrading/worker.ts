import { createHandlers, type Handler } from "yardmaster/worker";
import { square, squareLater } from "./squares.ts";

const { on } = createHandlers();

const handlers: readonly Handler[] = [
  on(square, ({ input, attempt }) => {
    if (attempt === 1 && input % 7 === 0) throw new Error("not at once");
    return input * input;
  }),
  on(squareLater, ({ input }) => input * input),
];
export default handlers;
