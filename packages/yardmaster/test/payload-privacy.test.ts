import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { defineTask } from "../src/definition.ts";
import { withoutSecrets } from "../src/engine-url.ts";
import { createHandlers, fail } from "../src/worker/handlers.ts";
import { CliYard, HANDLERS } from "./cli-process.ts";
import { key, SecuredYard } from "./secured-yard.ts";

const MARK = "open-sesame-4711";
const SOURCES = join(import.meta.dirname, "../src");
const { on } = createHandlers();

let yard = new SecuredYard();

afterEach(async () => {
  await yard.close();
  yard = new SecuredYard();
});

/** All that is told of a task beside its input and result: to operators, to who waits, and in its record. */
async function toldOf(run: () => Promise<unknown>): Promise<string> {
  const errors: unknown[] = [];
  await run().catch((error: unknown) => errors.push(error));
  return inspect([errors, yard.alarms, yard.reports], { depth: 20, maxStringLength: null });
}

describe("what is told of a task", () => {
  const broken = {
    encode: (value: unknown) => JSON.stringify(value),
    decode: (bytes: Uint8Array): unknown => JSON.parse(`${Buffer.from(bytes).toString("utf8")}!`),
  };
  const plain = defineTask<unknown, unknown>({ name: "plain" });
  const failing = defineTask<unknown, unknown>({ name: "failing", attempts: 1 });
  const strict = defineTask({ name: "strict", input: z.object({ secret: z.string().max(3) }) });
  const coded = defineTask<unknown, unknown>({ name: "coded", codec: broken });
  const large = defineTask<unknown, unknown>({ name: "large", maxResultBytes: 10, attempts: 1 });
  const handlers = [
    on(plain, ({ input }) => input),
    on(failing, () => fail("no")),
    on(defineTask({ name: "strict", input: z.object({ secret: z.number() }) }), () => null),
    on(coded, ({ input }) => input),
    on(large, ({ input }) => input),
  ];

  it.each([
    ["that succeeds", plain, MARK],
    ["that fails", failing, { secret: MARK }],
    ["that the client refuses", strict, { secret: MARK }],
    ["whose input JSON cannot carry", plain, { secret: MARK, bad: 1n }],
    ["whose codec fails", coded, MARK],
    ["whose result is too large", large, MARK.repeat(10)],
    ["that nobody handles", defineTask<unknown, unknown>({ name: "nobody", expiresInMs: 1_000 }), MARK],
  ])("%s has nothing of its input in it", async (_, task, input) => {
    await yard.dispatcher();
    await yard.worker(handlers);
    const client = await yard.client();
    const told = await toldOf(async () => {
      const handle = await yard.driven(client.submit(task as typeof plain, input));
      const end = await yard.driven(handle.settled());
      const { ok } = end;
      const shown = [
        await yard.driven(client.status(handle.id)),
        await yard.driven(client.explain(handle.id)),
      ];
      const story = await yard.driven(client.story(handle.id));
      throw Object.assign(new Error("what is known"), {
        shown,
        story,
        ended: ok ? "well" : recorded(end.error),
      });
    });
    expect(told).toContain("Error");
    expect(told).not.toContain(MARK);
  });

  it("that the worker refuses has nothing of its input in it", async () => {
    await yard.dispatcher();
    await yard.worker(handlers);
    const client = await yard.client();
    const task = await yard.driven(
      client.submit(defineTask<unknown, unknown>({ name: "strict" }), { secret: MARK }),
    );
    const end = await yard.driven(task.settled());
    expect(end).toMatchObject({ ok: false, error: { cause: { code: "INVALID_INPUT" } } });
    expect(inspect([end, await yard.driven(client.story(task.id))], { depth: 20 })).not.toContain(MARK);
  });

  it("that is not JSON, or cannot be decrypted, has nothing of its input in it", async () => {
    await yard.dispatcher();
    await yard.worker(handlers);
    const client = await yard.client();
    const raw = defineTask<unknown, unknown>({
      name: "plain",
      codec: { ...broken, encode: () => `${MARK}!` },
    });
    const locked = await yard.client({ encryption: { keys: { a: key(1) }, current: "a" } });
    for (const by of [client, locked]) {
      const task = await yard.driven(by.submit(raw, null));
      const reader = await yard.client();
      const end = await yard.driven(reader.handle(defineTask({ name: "plain" }), task.id).settled());
      expect(end.ok).toBe(false);
      expect(inspect(end, { depth: 20 })).not.toContain(MARK);
    }
  });
});

/** An error without the process's own causes: what a record keeps of it. */
function recorded(error: Error): unknown {
  const cause =
    error.cause instanceof Error ? { message: error.cause.message, stack: error.cause.stack } : null;
  return { message: error.message, cause };
}

describe("a process", () => {
  it("has a task's input from standard input in no line of its output", async () => {
    const cli = new CliYard();
    try {
      const worker = await cli.start("start", HANDLERS, "--url", cli.url);
      const input = JSON.stringify({ secret: MARK });
      const { code, stdout, stderr } = await cli.runWithInput(input, "submit", "echo", "-", "--url", cli.url);
      expect(code).toBe(0);
      const lost = await cli.runWithInput(`{"secret":"${MARK}`, "submit", "echo", "-", "--url", cli.url);
      expect(lost.code).toBe(2);
      const status = await cli.run("status", stdout.trim(), "--url", cli.url);
      worker.kill("SIGTERM");
      const ended = await worker.ended;
      const told = [stderr, lost.stdout, lost.stderr, ended.stdout, ended.stderr].join("\n");
      expect(told).toContain("the input is not JSON");
      expect(told).not.toContain(MARK);
      expect(status.code).toBe(0);
    } finally {
      await cli.close();
    }
  });

  it("of `dev` has its URL's password in no argument and no line of its output", async () => {
    const cli = new CliYard();
    try {
      const url = `${cli.url}?password=${MARK}`;
      const dev = cli.spawn("dev", HANDLERS, "--url", url);
      await dev.line(/no parameter/);
      const children = readdirSync("/proc")
        .filter((pid) => /^\d+$/.test(pid))
        .map(argumentsOf);
      expect(children.filter((line) => line.includes("start") && line.includes(MARK))).toEqual([]);
      dev.kill("SIGTERM");
      const { stdout, stderr } = await dev.ended;
      expect(stdout + stderr).not.toContain(MARK);
    } finally {
      await cli.close();
    }
  });

  it.each([
    "postgres://user:open-sesame-4711@host/db",
    "amqp://user:open-sesame-4711/with@signs@host/vhost",
    "redis://:open-sesame-4711?x#y@host:6379/0",
    "postgres:///db?host=/s&password=open-sesame-4711",
    "postgres://host/db?sslpassword=open-sesame-4711&user=a",
  ])("shows no password of %s", (url) => {
    expect(withoutSecrets(url)).not.toContain(MARK);
  });
});

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

describe("the sources", () => {
  /** Everything that is loaded, looked up or evaluated by a name that is no literal: files that an operator names, and our own. */
  const ALLOWED = [
    "cli/commands/queues.ts: import(pathToFileURL(resolve(file)).href)",
    "cli/doctor-checks.ts: createRequire(",
    "worker/heartbeat-thread.ts: Runtime.evaluate",
    "worker/heartbeat-thread.ts: import(data.module)",
    "worker/loader.ts: import(url)",
  ];

  /** Every call that takes a path, and what it is made of, by whom it comes from: nobody of them sends messages. */
  const PATHS: Readonly<Record<string, readonly string[]>> = {
    "an argument of the command line": [
      "cli/commands/dev.ts: existsSync(path)",
      "cli/commands/dev.ts: spawn(process.execPath)",
      "cli/commands/simulate.ts: readFile(file)",
      "cli/commands/simulate.ts: writeFile(file)",
      "cli/commands/trace.ts: createWriteStream(part)",
      "cli/commands/trace.ts: rename(part)",
      "cli/commands/trace.ts: rm(part)",
      "cli/file-lines.ts: createReadStream(file)",
      "cli/serve-http.ts: readFileSync(file)",
      "cli/serve-tokens.ts: existsSync(path)",
      "cli/serve-tokens.ts: readFileSync(path)",
      "cli/serve-tokens.ts: rmSync(path)",
      "cli/serve-tokens.ts: writeFileSync(path)",
      "cli/source-watch.ts: readdirSync(folder)",
      "cli/source-watch.ts: statSync(path)",
      "cli/source-watch.ts: watch(folder)",
      "worker/loader.ts: existsSync(fileURLToPath(url))",
    ],
    "the yard's URL": [
      "cli/doctor-checks.ts: existsSync(file)",
      "cli/doctor-checks.ts: statSync(file)",
      "redis/driver.ts: readFile(path)",
      "sqlite/location.ts: accessSync(path)",
      "sqlite/location.ts: realpathSync(folder)",
      "sqlite/location.ts: realpathSync(named)",
      "sqlite/location.ts: statSync(folder)",
      "sqlite/location.ts: statSync(named)",
      "sqlite/yard-file.ts: openDatabase(path)",
    ],
    "the package itself": [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is how the source has it.
      "cli/doctor-checks.ts: readFileSync(`${root}package.json`)",
      'cli/program.ts: readFileSync(new URL("../../package.json", import.meta.url))',
      "http/dashboard.ts: readFileSync(join(FOLDER, name))",
      "http/dashboard.ts: readdirSync(folder)",
      "http/dashboard.ts: readdirSync(join(folder, entry.name))",
    ],
    "an argument of the simulation, and its record": [
      "sim/campaign.ts: appendFileSync(RECORDS)",
      'sim/campaign.ts: execFileSync("git")',
      "sim/campaign.ts: existsSync(RECORDS)",
      "sim/campaign.ts: readFileSync(RECORDS)",
      "sim/main.ts: readFileSync(file)",
      "sim/main.ts: writeFileSync(file)",
      "sim/main.ts: writeFileSync(history)",
    ],
    "the yard's URL and the number of a mailbox": [
      "sqlite/bells.ts: mkdirSync(this.#folder)",
      "sqlite/bells.ts: openSync(this.#path(mailbox))",
      "sqlite/bells.ts: rmSync(this.#path(mailbox))",
      "sqlite/bells.ts: watch(this.#path(mailbox))",
    ],
    "the yard's URL and the name of a lock, which is chance, or was looked at": [
      "sqlite/presence.ts: readdirSync(this.#folder)",
      "sqlite/presence.ts: statSync(join(this.#folder, name))",
      "sqlite/process-lock.ts: existsSync(path)",
      "sqlite/process-lock.ts: mkdirSync(folder)",
      "sqlite/process-lock.ts: openDatabase(path)",
      "sqlite/process-lock.ts: rmSync(path)",
    ],
  };
  const FILE_MODULES = /import ([^;]*?) from "node:(?:fs|fs\/promises|child_process)"/g;
  /** They take what is open already. */
  const TAKE_NO_PATH = new Set(["closeSync", "writeSync"]);

  /** The calls of a source that open, look for or remove a file, with their first argument. */
  function pathsIn(file: string): string[] {
    const source = readFileSync(join(SOURCES, file), "utf8");
    const imports = [...source.matchAll(FILE_MODULES)].map(([, names = ""]) => names);
    // As a whole, a module could be called by any name.
    expect(
      imports.filter((names) => !/^(?:type )?\{/.test(names)),
      file,
    ).toEqual([]);
    const calls = imports.flatMap((names) => names.match(/\b[a-z]\w*/g) ?? []);
    if (source.includes('from "./driver.ts"')) calls.push("openDatabase");
    return calls
      .filter((call) => !TAKE_NO_PATH.has(call))
      .flatMap((call) =>
        [...source.matchAll(new RegExp(`\\b${call}\\(([^,()]*(?:\\([^()]*\\))?[^,()]*)`, "g"))].map(
          ([, what = ""]) => `${file}: ${call}(${what.trim()})`,
        ),
      );
  }

  it("touch no file that a message names", () => {
    const found = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .flatMap(pathsIn);
    expect([...new Set(found)].sort()).toEqual(Object.values(PATHS).flat().sort());
  });

  it("import and evaluate nothing that a message names", () => {
    const found = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .flatMap((file) => {
        const source = readFileSync(join(SOURCES, file), "utf8").replaceAll(
          /^\s*(?:\*|\/\/|\/\*\*).*$/gm,
          "",
        );
        const dynamic = [
          ...source.matchAll(/\bimport\(\s*(?!["'\s])((?:[^()]|\((?:[^()]|\([^()]*\))*\))*?)\s*\)/g),
        ];
        const evaluated = [
          ...source.matchAll(
            /\beval\(|new Function\(|\bcreateRequire\(|\brequire\(|runIn\w*Context|Runtime\.evaluate/g,
          ),
        ];
        return [
          ...dynamic.map(([, what = ""]) => `${file}: import(${what})`),
          ...evaluated.map(([what]) => `${file}: ${what}`),
        ];
      });
    expect(found.sort()).toEqual(ALLOWED);
  });
});
