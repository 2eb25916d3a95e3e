import { createReadStream } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { messageOf } from "../protocol/errors.ts";
import { plain } from "./plain-text.ts";
import { usage } from "./target.ts";

/** The lines of a file that somebody named, which reject where it cannot be read. Throws INVALID_OPTIONS for what names no file at all. */
export function linesOf(file: string): Interface {
  try {
    return createInterface({
      input: createReadStream(file, "utf8"),
      crlfDelay: Number.POSITIVE_INFINITY,
    });
  } catch (error) {
    throw usage(`${plain(file)} cannot be read: ${messageOf(error)}`);
  }
}
