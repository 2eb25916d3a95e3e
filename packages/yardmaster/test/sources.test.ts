import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ORDERINGS } from "../src/kernel/orderings.ts";
import { PLACEMENTS } from "../src/kernel/placement.ts";

const KERNEL = new URL("../src/kernel/", import.meta.url);
/** A paper, a book or a standard has a year. */
const YEAR = /\b(19|20)\d\d\b/;

const source: string = readdirSync(KERNEL)
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .map((file) => readFileSync(new URL(file, KERNEL), "utf8"))
  .join("\n");

/** The docstring right before a declaration. */
function docOf(declaration: string): string {
  const at = source.indexOf(`*/\n${declaration}`);
  return at === -1 ? "" : source.slice(source.lastIndexOf("/**", at), at);
}

function inCamelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

describe("a policy's docstring", () => {
  it.each(Object.keys(ORDERINGS))("names a source for the order %s", (name) => {
    expect(docOf(`export const ${inCamelCase(name)}: OrderingPolicy`)).toMatch(YEAR);
  });

  it.each(Object.entries(PLACEMENTS))("names a source for the placement %s", (_, { rank, choose }) => {
    const docs = [rank, choose].map((rule) => (rule === null ? "" : docOf(`function ${rule.name}(`)));
    expect(docs.join("\n")).toMatch(YEAR);
  });

  it.each(["FairClock", "Pace", "Skill"])("names a source for the rule of %s", (name) => {
    const body = source.slice(source.indexOf(`export class ${name}`));
    expect(docOf(`export class ${name}`) + body.slice(0, body.indexOf("\n}\n"))).toMatch(
      name === "Pace" ? /ITU-T/ : YEAR,
    );
  });
});
