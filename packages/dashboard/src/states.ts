import { type State, TERMINAL_STATES } from "yardmaster/http-client";

export function isTerminalState(state: State): boolean {
  return TERMINAL_STATES.some((one) => one === state);
}
