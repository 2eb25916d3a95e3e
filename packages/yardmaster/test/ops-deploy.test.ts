import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { createProgram } from "../src/cli/program.ts";
import { ROUTES } from "../src/http/routes.ts";

/* There is neither Docker nor Kubernetes where tests run: files are held to their formats and to what commands accept. */

const ROOT = resolve(import.meta.dirname, "../../..");
const SYSTEMD = join(ROOT, "ops/systemd");
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

/** Lets the real command line parse words without running anything; answers with the options of the command. */
async function parsed(words: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const program = createProgram(() => undefined);
  program.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  let seen: Record<string, unknown> = {};
  const silence = (command: Command): void => {
    command.exitOverride().action((...given: unknown[]) => {
      seen = (given.at(-1) as Command).opts();
    });
    for (const inner of command.commands) silence(inner);
  };
  for (const command of program.commands) silence(command);
  await program.parseAsync(words, { from: "user" });
  return seen;
}

const words = z.array(z.string()).min(1);

describe("Dockerfile", () => {
  const text = read("Dockerfile");
  const listOf = (instruction: string): string[] => {
    const found = new RegExp(`^${instruction} (?:--.* )?(?:CMD )?(\\[.*\\])$`, "m").exec(text)?.[1] ?? "";
    return words.parse(JSON.parse(found));
  };

  it("runs commands that there are, as nobody special, on a Node that is supported", async () => {
    expect(listOf("ENTRYPOINT")).toEqual(["yardmaster"]);
    await parsed(listOf("CMD"));
    const [command, ...check] = listOf("HEALTHCHECK");
    expect(command).toBe("yardmaster");
    await parsed(check);
    expect(text.match(/^FROM .*/gm)?.every((line) => line.startsWith("FROM node:24-alpine"))).toBe(true);
    const user = text.lastIndexOf("\nUSER node");
    expect(user).toBeGreaterThan(text.lastIndexOf("\nRUN "));
  });

  it("installs every optional part in a version that the package takes", () => {
    const { peerDependencies } = z
      .object({ peerDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read("packages/yardmaster/package.json")));
    for (const [, name = "", major = ""] of text.matchAll(/ (@?[\w/-]+)@(\d+)/g))
      expect([name, peerDependencies[name]?.replace(/\D*(\d+).*/, "$1")]).toEqual([
        name,
        name === "zod" ? "3" : major,
      ]);
    for (const name of ["@redis/client", "pg", "amqplib", "fastify"]) expect(text).toContain(` ${name}@`);
  });
});

describe("ops/docker-compose.yml", () => {
  const service = z.object({
    command: words,
    restart: z.literal("unless-stopped"),
    stop_grace_period: z.string().regex(/^\d+s$/),
    environment: z.looseObject({ YARDMASTER_URL: z.string() }),
  });
  const { services } = z
    .object({ services: z.record(z.string(), service) })
    .parse(parse(read("ops/docker-compose.yml"), { merge: true }));

  it.each(Object.entries(services))("%s is a command that there is, with time to end", async (_, one) => {
    const { graceMs = 5_000 } = await parsed(one.command);
    expect(Number.parseInt(one.stop_grace_period, 10) * 1_000).toBeGreaterThanOrEqual(
      Number(graceMs) + 5_000,
    );
    expect(one.environment.YARDMASTER_URL).toBe("redis://redis:6379");
  });
});

describe("ops/kubernetes", () => {
  const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.literal("http") }) });
  const labels = z.record(z.string(), z.string());
  const container = z.object({
    args: words,
    livenessProbe: probe.optional(),
    readinessProbe: probe.optional(),
    startupProbe: probe.optional(),
    securityContext: z.object({ readOnlyRootFilesystem: z.literal(true) }),
    resources: z.object({ requests: z.looseObject({}), limits: z.looseObject({}) }),
  });
  const deployment = z.object({
    kind: z.literal("Deployment"),
    spec: z.object({
      selector: z.object({ matchLabels: labels }),
      template: z.object({
        metadata: z.object({ labels }),
        spec: z.object({
          terminationGracePeriodSeconds: z.int(),
          securityContext: z.looseObject({ runAsNonRoot: z.literal(true) }),
          containers: z.tuple([container]),
        }),
      }),
    }),
  });
  const budget = z.object({
    kind: z.literal("PodDisruptionBudget"),
    spec: z.looseObject({ selector: z.object({ matchLabels: labels }) }),
  });
  const documents = parseAllDocuments(read("ops/kubernetes/yardmaster.yaml")).map(
    (document): { kind?: unknown } => document.toJS(),
  );
  const deployments = documents
    .filter(({ kind }) => kind === "Deployment")
    .map((one) => deployment.parse(one));

  it("runs commands that there are, and gives them time to end", async () => {
    expect(deployments).toHaveLength(3);
    for (const { spec } of deployments) {
      const { containers, terminationGracePeriodSeconds } = spec.template.spec;
      const { graceMs = 5_000 } = await parsed(containers[0].args);
      expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThanOrEqual(Number(graceMs) + 5_000);
      expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
    }
  });

  it("probes what answers without a token", () => {
    const open = ROUTES.filter(({ roles }) => roles === null).map(({ path }) => path);
    const probes = deployments.flatMap(({ spec }) => {
      const [{ livenessProbe, readinessProbe, startupProbe }] = spec.template.spec.containers;
      return [livenessProbe, readinessProbe, startupProbe].flatMap((one) => one ?? []);
    });
    expect(probes).toHaveLength(3);
    expect(probes.filter(({ httpGet }) => !open.includes(httpGet.path))).toEqual([]);
  });

  it("has a disruption budget for each deployment", () => {
    const budgets = documents
      .filter(({ kind }) => kind === "PodDisruptionBudget")
      .map((one) => budget.parse(one).spec.selector.matchLabels);
    expect(budgets).toEqual(deployments.map(({ spec }) => spec.selector.matchLabels));
  });
});

describe("ops/systemd", () => {
  const units = readdirSync(SYSTEMD);

  it.each(units)("%s runs a command that there is, with time to end", async (unit) => {
    const text = read(`ops/systemd/${unit}`);
    const [, line = ""] = /^ExecStart=\/usr\/bin\/npx --no-install yardmaster (.*)$/m.exec(text) ?? [];
    const { graceMs = 5_000 } = await parsed(line.split(" "));
    const [, stop = ""] = /^TimeoutStopSec=(\d+)$/m.exec(text) ?? [];
    expect(Number(stop) * 1_000).toBeGreaterThanOrEqual(Number(graceMs) + 5_000);
    expect(text).toMatch(/^User=yardmaster$/m);
    expect(text).toMatch(/^Restart=always$/m);
  });

  it("is what systemd takes, where there is one to ask", () => {
    const folder = mkdtempSync(join(tmpdir(), "yardmaster-systemd-"));
    try {
      for (const unit of units) {
        // The machine that is asked has neither the program nor its files.
        const text = read(`ops/systemd/${unit}`).replaceAll(/^ExecStart=.*$/gm, "ExecStart=/bin/true");
        writeFileSync(join(folder, unit.replace("@", "@media")), text);
      }
      const files = readdirSync(folder).map((name) => join(folder, name));
      const { error, status, stderr } = spawnSync("systemd-analyze", ["verify", ...files], {
        encoding: "utf8",
      });
      expect(error === undefined ? { status, stderr } : "no systemd").toSatisfy(
        (found: unknown) =>
          found === "no systemd" || !/yardmaster.*(Unknown|Failed|Invalid|ignoring)/i.test(stderr),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
