import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { YardmasterError } from "../protocol/errors.ts";

/** The one path of a database file, by which all of its users find each other. Throws what keeps it from being opened. */
export function locate(path: string): string {
  const folder = dirname(resolve(path));
  try {
    return locateIn(folder, basename(resolve(path)));
  } catch (cause) {
    if (cause instanceof YardmasterError) throw cause;
    const message = `${folder} cannot be reached: check its permissions.`;
    throw new YardmasterError("STORE_READ_ONLY", message, { cause });
  }
}

function locateIn(folder: string, name: string): string {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const message = `The folder ${folder} of the database does not exist: create it first.`;
    throw new YardmasterError("INVALID_URL", message);
  }
  const named = join(realpathSync(folder), name);
  const found = statSync(named, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) {
    const message = `${named} is a folder: name a file in it, as in sqlite:${join(named, "yard.db")}`;
    throw new YardmasterError("INVALID_URL", message);
  }
  const real = found === undefined ? named : realpathSync(named);
  refuseReadOnly(dirname(real));
  if (found !== undefined) refuseReadOnly(real);
  return real;
}

function refuseReadOnly(path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new YardmasterError("STORE_READ_ONLY", `${path} cannot be written: check its permissions.`, {
      cause,
    });
  }
}
