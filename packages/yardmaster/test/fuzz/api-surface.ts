import { readFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = join(import.meta.dirname, "../..");

/** Something of the public API that can be called or made. */
export interface PublicExport {
  /** `subpath name`, such as `. defineTask`. */
  readonly path: string;
  readonly value: unknown;
}

/** What each subpath of the package exports at run time, from the sources. */
export async function publicExports(): Promise<PublicExport[]> {
  const manifest: { exports: Record<string, { default?: string } | string> } = JSON.parse(
    readFileSync(join(PACKAGE, "package.json"), "utf8"),
  );
  const found: PublicExport[] = [];
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    const file = typeof target === "string" ? "" : (target.default ?? "");
    if (!file.endsWith(".js")) continue;
    const source = file.replace("./dist/", "../../src/").replace(/\.js$/, ".ts");
    const module: Record<string, unknown> = await import(source);
    for (const [name, value] of Object.entries(module)) found.push({ path: `${subpath} ${name}`, value });
  }
  return found;
}

/** The public methods of a class and of those that it extends: TypeScript's `private` and `protected` are told apart by `hidden`. */
export function methodsOf(type: { readonly prototype: object }, hidden: ReadonlySet<string>): string[] {
  const names = new Set<string>();
  for (let at: object | null = type.prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (name !== "constructor" && typeof value === "function" && !hidden.has(name)) names.add(name);
  }
  return [...names].sort();
}
