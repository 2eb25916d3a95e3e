import { text } from "node:stream/consumers";
import { placeOf } from "../definition/json.ts";
import { YardmasterError } from "../protocol/errors.ts";
import { usage } from "./target.ts";

/** A task's input: JSON text, or "-" for JSON on standard input, where no list of processes shows it. */
export async function jsonInput(argument: string): Promise<unknown> {
  const json = argument === "-" ? await stdin() : argument;
  try {
    return JSON.parse(json);
  } catch (error) {
    throw usage(`the input is not JSON${placeOf(error)}`);
  }
}

/** As a stream: a synchronous read fails on a pipe whose writer is slower than this process. */
async function stdin(): Promise<string> {
  try {
    return await text(process.stdin);
  } catch (error) {
    throw new YardmasterError("INVALID_INPUT", "stdin cannot be read.", { cause: error });
  }
}
