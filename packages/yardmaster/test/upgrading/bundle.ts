import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";

export const ROOT: string = resolve(import.meta.dirname, "../../../..");

/** What a build imports that is found where it runs, and the parts that no test of upgrades starts. */
const OUTSIDE = [
  ...["@opentelemetry/api", "@redis/client", "amqplib", "pg", "pino", "piscina", "yaml"],
  ...["*/http/server.ts", "*/postgres/engine.ts", "*/rabbitmq/engine.ts"],
];

/** The files of a build, by their paths within the package. */
export type BuildFiles = Readonly<Record<string, string>>;

/**
 * A package made of sources: the command line, the main entry and the worker's, and the thread of its heartbeats. The
 * licences of what is bundled with them go with them.
 */
export async function bundled(sources: string, plugins: Plugin[] = []): Promise<BuildFiles> {
  const inPackage = (name: string): string => join(sources, "src", `${name}.ts`);
  const { outputFiles, metafile } = await build({
    entryPoints: ["cli/main", "index", "worker", "worker/heartbeat-thread", "connect"].map(inPackage),
    entryNames: "[name]",
    outdir: "dist/cli", // The command line reads the manifest two folders above itself.
    absWorkingDir: sources,
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    logOverride: { "ignored-bare-import": "silent" },
    platform: "node",
    format: "esm",
    target: "node22",
    external: OUTSIDE,
    nodePaths: [join(ROOT, "packages/yardmaster/node_modules"), join(ROOT, "node_modules")],
    plugins,
  });
  const { version, license } = JSON.parse(readFileSync(join(sources, "package.json"), "utf8"));
  const exports = { ".": "./dist/cli/index.js", "./worker": "./dist/cli/worker.js" };
  const manifest = { name: "yardmaster", version, license, type: "module", exports };
  const code = outputFiles.map(({ path, text }) => [path.slice(sources.length + 1), text]);
  const licences = [sources, ...foldersOf(Object.keys(metafile.inputs), sources)].map((folder) => [
    folder === sources ? "LICENSE" : `licences/${folder.replace(/^.*node_modules\//, "")}`,
    licenceIn(folder),
  ]);
  return Object.fromEntries([["package.json", JSON.stringify(manifest)], ...licences, ...code]);
}

export function writeBuild(files: BuildFiles, folder: string): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** The folders of the other packages that files come from. */
function foldersOf(files: readonly string[], from: string): Set<string> {
  const found = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(from, file))?.[0]);
  return new Set(found.filter((folder) => folder !== undefined));
}

function licenceIn(folder: string): string {
  const name = readdirSync(folder).find((file) => file.startsWith("LICENSE"));
  if (name === undefined) throw new Error(`${folder} has no licence`);
  return readFileSync(join(folder, name), "utf8");
}
