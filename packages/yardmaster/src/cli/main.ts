import { EXIT, exitCodeOf } from "./exit-code.ts";
import { errorLine } from "./output.ts";
import { runProgram } from "./program.ts";

/** A reader that went away (`yardmaster list | head`) has what it wanted. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.defect),
  );
}

let code: number;
try {
  code = await runProgram(process.argv.slice(2));
} catch (error) {
  code = exitCodeOf(error);
  process.stderr.write(`${errorLine(error)}\n`);
  if (code === EXIT.defect && error instanceof Error) process.stderr.write(`${error.stack}\n`);
}

// Ends only after both streams are written out: a pipe takes them in its own time.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
