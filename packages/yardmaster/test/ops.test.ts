import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { METRICS } from "../src/http/metrics.ts";

const OPS = resolve(import.meta.dirname, "../../../ops");
const SUFFIX = /_(bucket|sum|count)$/;

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("ops", () => {
  it.each(filesIn(OPS))("%s parses, and uses no metric that there is not", (file) => {
    const text = readFileSync(file, "utf8");
    if (file.endsWith(".json")) expect(JSON.parse(text).panels.length).toBeGreaterThan(3);
    else if (/\.ya?ml$/.test(file))
      for (const document of parseAllDocuments(text)) expect(document.errors).toEqual([]);
    const used = text.match(/\byardmaster_[a-z_]+/g) ?? [];
    const known = new Set(Object.keys(METRICS));
    expect(used.filter((name) => !known.has(name) && !known.has(name.replace(SUFFIX, "")))).toEqual([]);
  });

  it("shows or watches every metric", () => {
    const all = filesIn(OPS)
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    expect(Object.keys(METRICS).filter((name) => !all.includes(name))).toEqual([]);
  });

  it("scales workers by a time that they share already, which nothing divides by their number again", () => {
    const { spec } = parse(readFileSync(join(OPS, "keda/scaled-object.yaml"), "utf8"));
    const [{ metricType, metadata }] = spec.triggers;
    expect(spec.triggers).toHaveLength(1);
    expect(metadata.query).toContain("yardmaster_queue_backlog_seconds");
    expect(metricType).toBe("Value");
  });

  it("has alerts that say what to do", () => {
    const { groups } = parse(readFileSync(join(OPS, "prometheus/alerts.yml"), "utf8"));
    for (const { rules } of groups)
      for (const { annotations, labels } of rules) {
        expect(annotations.action.length).toBeGreaterThan(10);
        expect(["page", "ticket"]).toContain(labels.severity);
      }
  });
});
