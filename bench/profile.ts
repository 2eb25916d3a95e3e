import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const SHOWN = 20;

/** The parts of V8's profile format that self times need. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** For each profile of a folder, the functions that took the most time themselves. */
export async function selfTimes(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".cpuprofile")).sort();
  const reports = files.map(async (file) => {
    const profile: CpuProfile = JSON.parse(await readFile(join(folder, file), "utf8"));
    return `${file}\n${topFunctions(profile)}`;
  });
  return (await Promise.all(reports)).join("\n\n");
}

function topFunctions({ nodes, samples, timeDeltas }: CpuProfile): string {
  const titles = new Map(nodes.map(({ id, callFrame }) => [id, titleOf(callFrame)]));
  const micros = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const title = titles.get(id) ?? "?";
    micros.set(title, (micros.get(title) ?? 0) + (timeDeltas[index] ?? 0));
  }
  const idle = micros.get("(idle)") ?? 0;
  const busy = [...micros.values()].reduce((sum, each) => sum + each, 0) - idle;
  return [...micros]
    .filter(([title]) => title !== "(idle)")
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([title, each]) => `${((100 * each) / busy).toFixed(1).padStart(6)} %  ${title}`)
    .join("\n");
}

function titleOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`;
}
