import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findProgram } from "../../../servers/server.ts";
import { createToken, hashToken } from "../src/http.ts";
import { type CliProcess, CliYard, HANDLERS } from "./cli-process.ts";

let yard: CliYard;

beforeEach(() => {
  yard = new CliYard();
});

afterEach(() => yard.close());

describe("yardmaster serve", () => {
  it("makes a first token once, and serves the yard with it until a signal", async () => {
    await yard.start("start", HANDLERS);
    const first = await yard.start("serve", "--port", "0");
    const token = (await first.line(/ymt_/)).trim();
    const url = urlIn(await first.line(/ready at/));
    const task = await fetch(`${url}/api/v1/tasks`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "echo", input: 7 }),
    });
    const { id } = (await task.json()) as { id: string };
    const result = await fetch(`${url}/api/v1/tasks/${id}/result?waitMs=20000`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await result.json()).toMatchObject({ ok: true, result: 7 });
    const link = /Dashboard: (\S+)/.exec(await first.line(/Dashboard:/))?.[1];
    expect(link).toBe(`${url}/#token=${token}`);
    first.kill("SIGTERM");
    expect(await first.ended).toMatchObject({ code: 0 });

    const file = join(yard.folder, "yard.db.tokens");
    expect(readFileSync(file, "utf8")).not.toContain(token);
    expect(readFileSync(file, "utf8")).toContain(`admin:sha256:${hashToken(token)}`);
    expect(statSync(file).mode & 0o077).toBe(0);

    const second = await yard.start("serve", "--port", "0", "--json");
    const again = urlIn(await second.line(/ready at/));
    const queues = await fetch(`${again}/api/v1/queues`, { headers: { authorization: `Bearer ${token}` } });
    expect(queues.status).toBe(200);
    second.kill("SIGINT");
    const { stdout, stderr } = await second.ended;
    expect(JSON.parse(stdout)).toEqual({ event: "ready", url: again });
    expect(stderr).not.toContain("ymt_");
  });

  it("is served beside a worker and a dispatcher where they are told to", async () => {
    const start = await yard.start("start", HANDLERS, "--http", "0");
    const token = (await start.line(/ymt_/)).trim();
    const url = urlIn(await start.line(/ready at/));
    const workers = await fetch(`${url}/api/v1/workers`, { headers: { authorization: `Bearer ${token}` } });
    expect(await workers.json()).toMatchObject({ workers: [{ registered: true }] });
    const dispatcher = await yard.start("dispatcher", "--http", "0");
    const other = urlIn(await dispatcher.line(/ready at/));
    expect((await fetch(`${other}/livez`)).status).toBe(200);
    for (const each of [start, dispatcher]) {
      each.kill("SIGTERM");
      expect(await each.ended).toMatchObject({ code: 0 });
    }
  });

  it("is served by dev, which signs in whoever started it and ends with it", async () => {
    const dev = await yard.start("dev", HANDLERS, "--http", "0");
    const [, url = "", token = ""] =
      /Dashboard: (\S+)\/#token=(\S+)/.exec(await dev.line(/Dashboard:/)) ?? [];
    expect(await (await fetch(`${url}/`)).text()).toContain("<script");
    const session = await fetch(`${url}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } });
    expect(await session.json()).toMatchObject({ role: "admin" });
    dev.kill("SIGTERM");
    expect(await dev.ended).toMatchObject({ code: 0 });
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  it("takes tokens from a file, and TLS beyond loopback", async () => {
    const token = createToken();
    const { cert, key } = certificate();
    const tokens = join(yard.folder, "tokens");
    writeFileSync(tokens, `# people\nviewer:sha256:${hashToken(token)}\n`);
    const served = await yard.start(
      ...["serve", "--port", "0", "--address", "0.0.0.0", "--tls-cert", cert, "--tls-key", key],
      ...["--server-name", "yard.example.com", "--tokens", tokens],
    );
    const port = new URL(urlIn(await served.line(/ready at https/))).port;
    const ask = (host: string): Promise<{ status: number | undefined; hsts: unknown }> =>
      new Promise((resolve, reject) => {
        const headers = { host, authorization: `Bearer ${token}` };
        const options = {
          host: "127.0.0.1",
          port,
          path: "/livez",
          headers,
          ca: readFileSync(cert),
          servername: "yard.example.com",
        };
        request({ ...options, path: "/openapi.json" }, (response) => {
          response.resume();
          const hsts = response.headers["strict-transport-security"];
          resolve({ status: response.statusCode, hsts });
        })
          .on("error", reject)
          .end();
      });
    expect(await ask("yard.example.com")).toEqual({ status: 200, hsts: "max-age=31536000" });
    expect(await ask(`0.0.0.0:${port}`)).toMatchObject({ status: 421 });
  });

  it("hides the values of the keys that it is told to hide, from people", async () => {
    await yard.start("start", HANDLERS);
    const served = await yard.start("serve", "--port", "0", "--hide-key", "iban", "--hide-key", "birthName");
    const token = (await served.line(/ymt_/)).trim();
    const url = urlIn(await served.line(/ready at/));
    const input = { IBAN: "DE89 3704", nested: { birth_name: "Ada" }, plain: "seen" };
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const body = JSON.stringify({ name: "echo", input });
    const { id } = (await (await fetch(`${url}/api/v1/tasks`, { method: "POST", headers, body })).json()) as {
      id: string;
    };
    await fetch(`${url}/api/v1/tasks/${id}/result?waitMs=20000`, { headers });
    const values = await (await fetch(`${url}/api/v1/tasks/${id}/values`, { headers })).text();
    expect(values).toContain("seen");
    expect(values).toContain("[redacted]");
    expect(values).not.toMatch(/DE89|Ada/);
  });

  it.each([
    ["an open address without TLS", ["--address", "0.0.0.0", "--server-name", "a"], /TLS certificate/],
    ["an open address without a name", ["--address", "::", "--behind-proxy"], /--server-name/],
    [
      "an open address without tokens",
      ["--address", "0.0.0.0", "--behind-proxy", "--server-name", "a", "--tokens", "none"],
      /no tokens/,
    ],
    ["half a certificate", ["--tls-cert", "a"], /go together/],
    ["a certificate that is none", ["--tls-cert", "rubbish", "--tls-key", "rubbish"], /not started/],
    ["a token file that is none", ["--tokens", "rubbish"], /cannot be used/],
    ["a name that is none", ["--server-name", "https://a/b"], /no host name/],
  ])("refuses %s", async (_, args, complaint) => {
    writeFileSync(join(yard.folder, "tokens"), `admin:${createToken()}`);
    writeFileSync(join(yard.folder, "rubbish"), "rubbish");
    const tokens = args.includes("--tokens") ? [] : ["--tokens", "tokens"];
    const { code, stderr } = await yard.run("serve", "--port", "0", ...args, ...tokens);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(complaint) });
  });

  it("says that its port is taken", async () => {
    const first: CliProcess = await yard.start("serve", "--port", "0");
    const { port } = new URL(urlIn(await first.line(/ready at/)));
    const { code, stderr } = await yard.run("serve", "--port", port);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`port ${port}`) });
  });

  it("keeps no first token that it could not serve with", async () => {
    const taken = await yard.start("serve", "--port", "0");
    const { port } = new URL(urlIn(await taken.line(/ready at/)));
    const file = join(yard.folder, "yard.db.tokens");
    rmSync(file);
    expect(await yard.run("serve", "--port", port)).toMatchObject({ code: 2 });
    expect(existsSync(file)).toBe(false);
  });
});

function urlIn(line: string): string {
  return /https?:\/\/[^\s"]+/.exec(line)?.[0] ?? "";
}

/** A certificate for yard.example.com that signs itself. */
function certificate(): { cert: string; key: string } {
  const [cert, key] = [join(yard.folder, "cert.pem"), join(yard.folder, "key.pem")];
  const args =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=yard.example.com";
  const names = ["-addext", "subjectAltName=DNS:yard.example.com", "-keyout", key, "-out", cert];
  execFileSync(findProgram("openssl", "apt-get install openssl"), [...args.split(" "), ...names], {
    stdio: "ignore",
  });
  return { cert, key };
}
