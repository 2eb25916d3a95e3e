import { copyFileSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import type { Plugin } from "esbuild";
import type { Yard } from "../../src/yard.ts";
import { type BuildFiles, bundled, ROOT, writeBuild } from "./bundle.ts";

const SOURCES = join(ROOT, "packages/yardmaster");

/** Where the programs of a test find one build of the package by its name. */
export interface Build {
  readonly cli: string;
  readonly worker: string;
  readonly producer: string;
  connect(url: string): Promise<Yard>;
}

/** The build of the commit that `keep.ts` has kept. */
export function olderFiles(): BuildFiles {
  const kept = readFileSync(join(import.meta.dirname, "older.json.br"));
  return JSON.parse(brotliDecompressSync(kept).toString("utf8"));
}

/** The build of the sources as they are. */
export function presentFiles(): Promise<BuildFiles> {
  return bundled(SOURCES);
}

/** What a later release would be, if its formats had version 2: at first it only reads that, then it writes it. */
export async function laterFiles(written: 1 | 2): Promise<BuildFiles> {
  let raised = 0;
  const raise: Plugin = {
    name: "raise the versions",
    setup: (build) => {
      build.onLoad({ filter: /protocol\/versions\.ts$/ }, ({ path }) => {
        const contents = readFileSync(path, "utf8").replace(/\{ written: 1, read: 1 \}/g, () => {
          raised += 1;
          return `{ written: ${written}, read: 2 }`;
        });
        return { contents, loader: "ts" };
      });
    },
  };
  const files = await bundled(SOURCES, [raise]);
  if (raised !== 4) throw new Error(`${raised} versions were raised: look at protocol/versions.ts`);
  return files;
}

/** Puts a build into a folder of its own, with the programs that use it. */
export function install(files: BuildFiles, folder: string): Build {
  const modules = join(folder, "node_modules");
  const home = join(modules, "yardmaster");
  writeBuild(files, home);
  writeBuild({ "package.json": JSON.stringify({ type: "module" }) }, folder);
  for (const name of ["@redis", "pino", "yaml"])
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  for (const name of ["squares.ts", "worker.ts", "producer.ts"])
    copyFileSync(join(import.meta.dirname, name), join(folder, name));
  return {
    cli: join(home, "dist/cli/main.js"),
    worker: join(folder, "worker.ts"),
    producer: join(folder, "producer.ts"),
    connect: async (url) => (await import(pathToFileURL(join(home, "dist/cli/index.js")).href)).connect(url),
  };
}
