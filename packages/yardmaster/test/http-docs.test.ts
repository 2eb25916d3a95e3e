import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { ROUTES } from "../src/http/routes.ts";
import * as serverEntry from "../src/http.ts";
import { createToken, hashToken, startHttp } from "../src/http.ts";
import * as clientEntry from "../src/http-client.ts";
import { defineTask, startYard } from "../src/index.ts";
import { createHandlers } from "../src/worker.ts";

const PAGE = resolve(import.meta.dirname, "../../../docs/http.md");
const SOURCES = resolve(import.meta.dirname, "../src");
const ENTRIES = {
  "": "index.ts",
  "/worker": "worker.ts",
  "/http": "http.ts",
  "/http-client": "http-client.ts",
};
/** As for the other pages: `UPDATE_DOCS=1` writes the table anew. */
const UPDATE = process.env["UPDATE_DOCS"] === "1";

const PACKAGES = resolve(import.meta.dirname, "../../../node_modules");
const MISSING = `import { startHttp } from "./src/http.ts";
  await startHttp(undefined, {}).catch(({ code, message }) => console.log(JSON.stringify({ code, message })));`;

const page = readFileSync(PAGE, "utf8");
const folder = mkdtempSync(join(tmpdir(), "yardmaster-http-docs-"));

afterAll(() => rmSync(folder, { recursive: true }));

describe("docs/http.md", () => {
  it("has every route", () => {
    const head = "| route | what it does | roles beside admin |\n| --- | --- | --- |\n";
    const rows = ROUTES.map(({ method, path, summary, roles }) => {
      const who = roles === null ? "no token" : roles.join(", ");
      return `| \`${method} ${path}\` | ${summary} | ${who} |`;
    });
    const wanted = page.replace(/^\| route \|.*?\n\n/ms, `${head}${rows.join("\n")}\n\n`);
    if (UPDATE) writeFileSync(PAGE, wanted);
    else expect(page).toBe(wanted);
  });

  it("has every export and every method of the client", () => {
    const methods = Object.getOwnPropertyNames(clientEntry.HttpClient.prototype);
    const inner = ["constructor", "get", "post", "send", "stream"];
    const names = [
      ...Object.keys(serverEntry),
      ...Object.keys(clientEntry),
      ...methods.filter((name) => !inner.includes(name)),
    ];
    const exports = page.slice(page.indexOf("## Exports"));
    expect(names.filter((name) => !new RegExp(`\`${name}\\b`).test(exports))).toEqual([]);
  });

  it("shows a program that runs", async () => {
    const [, program = ""] = /^```ts run\n(.*?)^```/ms.exec(page) ?? [];
    const file = join(folder, "program.ts");
    writeFileSync(
      file,
      program.replace(/from "yardmaster([^"]*)"/g, (_, entry: keyof typeof ENTRIES) => {
        return `from "${pathToFileURL(join(SOURCES, ENTRIES[entry])).href}"`;
      }),
    );
    expect(await run(process.execPath, [file])).toBe("Hello, Ada.\n");
  });

  it("shows commands that run", async () => {
    const { on } = createHandlers();
    const greet = defineTask<{ name: string }, string>({ name: "greet" });
    const handlers = [on(greet, ({ input }) => `Hello, ${input.name}.`)];
    await using yard = await startYard({ url: "memory:http-docs", handlers });
    const token = createToken();
    await using server = await startHttp(yard, {
      port: 0,
      tokens: [{ role: "producer", sha256: hashToken(token) }],
    });
    const env = { YARD: server.url, TOKEN: token, ID: "" };
    const [submit = "", result = ""] = [...page.matchAll(/^```sh run\n(.*?)^```/gms)].map(([, text]) => text);
    const { id, outcome } = JSON.parse(await run("sh", ["-c", submit], env));
    expect(outcome).toBe("created");
    const answer = await run("sh", ["-c", result], { ...env, ID: id });
    expect(JSON.parse(answer)).toEqual({ id, ended: true, ok: true, result: "Hello, Ada." });
  });

  it("names the packages that the server asks for where they are missing", async () => {
    // The sources with what the package itself depends on, and nothing else.
    cpSync(SOURCES, join(folder, "src"), { recursive: true });
    mkdirSync(join(folder, "node_modules"));
    for (const name of ["piscina", "commander", "@standard-schema"]) {
      symlinkSync(join(PACKAGES, name), join(folder, "node_modules", name));
    }
    writeFileSync(join(folder, "missing.ts"), MISSING);
    const { code, message } = JSON.parse(await run(process.execPath, ["missing.ts"]));
    expect(code).toBe("DRIVER_MISSING");
    const [, command = ""] = /^(npm install .*)$/m.exec(page) ?? [];
    expect(message).toContain(command);
  });

  it("makes tokens that are read as it says", async () => {
    const [, making = ""] = /^```sh\n(token=.*?)^```/ms.exec(page) ?? [];
    const token = await run("sh", ["-c", `${making}printf '%s' "$token"`]);
    const lines = readFileSync(join(folder, "yard.db.tokens"), "utf8");
    expect(serverEntry.parseTokens(lines, "file")).toEqual([{ role: "viewer", sha256: hashToken(token) }]);
  });
});

function run(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((settle, reject) => {
    const options = { cwd: folder, timeout: 20_000, env: { ...process.env, ...env } };
    execFile(file, args, options, (error, stdout) => (error === null ? settle(stdout) : reject(error)));
  });
}
