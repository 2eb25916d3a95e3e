import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../src/protocol/errors.ts";

const PAGE = resolve(import.meta.dirname, "../../../docs/errors.md");

/** `UPDATE_DOCS=1` writes the page anew after a change of the table. */
const UPDATE = process.env["UPDATE_DOCS"] === "1";

const page = `# Errors

Every error of Yardmaster is a \`YardmasterError\` with one of these codes. Branch on \`code\`; \`retryable\` says whether the
same call may succeed later, \`cause\` has the error underneath and \`details\` has more where the code promises it.

\`\`\`ts
try {
  await task.result({ timeoutMs: 10_000 });
} catch (error) {
  if (error instanceof YardmasterError && error.code === "WAIT_TIMED_OUT") return "still running";
  throw error;
}
\`\`\`

| code | meaning | retryable |
| --- | --- | --- |
${Object.entries(ERRORS)
  .map(([code, { meaning, retryable }]) => `| \`${code}\` | ${meaning} | ${retryable ? "yes" : "no"} |`)
  .join("\n")}
`;

describe("docs/errors.md", () => {
  it("has every code of the table, as the table has it", () => {
    if (UPDATE) writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, "utf8")).toBe(page);
  });
});
