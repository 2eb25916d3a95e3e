import { withoutSecrets } from "../engine-url.ts";
import type { Handler } from "../worker/handlers.ts";
import { plain } from "./plain-text.ts";
import { type Target, targetFlags } from "./target.ts";

/** Set by `dev` for the process that it runs: say what to try next. */
export const GUIDE_VARIABLE = "YARDMASTER_GUIDE";

/** What somebody who has just started a worker may want to do, ready to be pasted into a shell. */
export function guide(handlers: readonly Handler[], target: Target): string {
  const names = handlers.map(({ definition }) => definition.name);
  const words = targetFlags(target);
  // A password on the screen, or in a shell's history, is one no more.
  const hasSecret = words.some((word) => withoutSecrets(word) !== word);
  const flags = hasSecret ? "" : words.map(quoted).join(" ");
  const [first = "NAME"] = names;
  return [
    `Ready for ${names.map(plain).join(", ")}. Try in another terminal${hasSecret ? ", with the URL in YARDMASTER_URL" : ""}:`,
    `  npx yardmaster submit ${plain(quoted(first))} '{}' --wait ${plain(flags)}`,
    `  npx yardmaster list ${plain(flags)}`,
    `  npx yardmaster queues ${plain(flags)}`,
    "Change the file and it starts again; Ctrl-C ends it.",
  ].join("\n");
}

function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
