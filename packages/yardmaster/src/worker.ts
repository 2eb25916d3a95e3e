export {
  type BatchEnds,
  type BatchOptions,
  type Call,
  createHandlers,
  type Fail,
  fail,
  type Handler,
  type HandlerEnd,
  type HandlerOptions,
  type Handlers,
  type HandlersOptions,
  type Middleware,
  type RetryIn,
  retryIn,
  type Submit,
  type SubmitOptions,
} from "./worker/handlers.ts";
export { loadHandlers } from "./worker/loader.ts";
