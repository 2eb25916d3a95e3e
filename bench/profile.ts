import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CpuProfile, HeapProfile, LoopDelay } from "./inspection.ts";

const SHOWN = 20;
const SHOWN_ALLOCATIONS = 10;

type Frame = CpuProfile["nodes"][number]["callFrame"];
type HeapNode = HeapProfile["head"];

/** What a process did while it was profiled. */
export interface ProfiledLoad {
  readonly loopDelay: LoopDelay;
  /** 0 where nothing was counted. */
  readonly tasks: number;
  /** By the operating system's account. */
  readonly cpuMicros: number;
}

/** Keeps beside a process's profiles what they are the profiles of. */
export async function noteLoad(folder: string, name: string, load: ProfiledLoad): Promise<void> {
  await writeFile(join(folder, `${name}.load.json`), JSON.stringify(load));
}

/** For each process of a folder: its event loop, which parts of it take how much of a task, what runs, what is allocated. */
export async function profileReport(folder: string): Promise<string> {
  const suffix = ".load.json";
  const names = (await readdir(folder)).filter((file) => file.endsWith(suffix)).sort();
  const reports = names.map(async (file) => reportOf(folder, file.slice(0, -suffix.length)));
  return (await Promise.all(reports)).join("\n\n");
}

async function reportOf(folder: string, name: string): Promise<string> {
  const read = async (suffix: string): Promise<string> => readFile(join(folder, `${name}${suffix}`), "utf8");
  const load: ProfiledLoad = JSON.parse(await read(".load.json"));
  const cpu: CpuProfile = JSON.parse(await read(".cpuprofile"));
  const heap: HeapProfile = JSON.parse(await read(".heapprofile"));
  const { p50Ms, p99Ms, maxMs } = load.loopDelay;
  const perTask = load.tasks === 0 ? 0 : load.cpuMicros / load.tasks;
  const late = [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(1)).join(" / ");
  return [
    name,
    `  event loop late by ${late} ms (p50 / p99 / most)`,
    ...(perTask > 0 ? [`  ${perTask.toFixed(2)} µs of CPU a task, ${load.tasks} tasks`] : []),
    "  parts:",
    ...sharesOf(cpu, partOf).map((each) => lineOf(each, perTask)),
    "  functions, by what they take themselves:",
    ...sharesOf(cpu, titleOf)
      .slice(0, SHOWN)
      .map((each) => lineOf(each, perTask)),
    "  allocated:",
    ...allocations(heap, load.tasks),
  ].join("\n");
}

interface Share {
  readonly title: string;
  /** Of what the process did while it was not idle. */
  readonly share: number;
}

function sharesOf(
  { nodes, samples = [], timeDeltas = [] }: CpuProfile,
  nameOf: (frame: Frame) => string,
): Share[] {
  const titles = new Map(
    nodes.map(({ id, callFrame }) => [id, isProfiler(callFrame) ? IDLE : nameOf(callFrame)]),
  );
  const micros = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const title = titles.get(id) ?? "?";
    micros.set(title, (micros.get(title) ?? 0) + (timeDeltas[index] ?? 0));
  }
  const idle = micros.get(IDLE) ?? 0;
  const busy = [...micros.values()].reduce((sum, each) => sum + each, 0) - idle;
  return [...micros]
    .filter(([title]) => title !== IDLE)
    .sort(([, a], [, b]) => b - a)
    .map(([title, each]) => ({ title, share: each / busy }));
}

/** What the profiler itself takes when it begins and ends is no part of a task. */
function isProfiler({ url }: Frame): boolean {
  return url === "node:inspector";
}

function lineOf({ title, share }: Share, perTask: number): string {
  const micros = perTask > 0 ? `${(share * perTask).toFixed(2).padStart(7)} µs` : "";
  return `${(100 * share).toFixed(1).padStart(8)} %${micros}  ${title}`;
}

/** Which part of the design, or of what it stands on, a function belongs to. */
function partOf({ functionName, url }: Frame): string {
  if (functionName === IDLE) return IDLE;
  if (functionName === "(garbage collector)") return "garbage collection";
  if (url === "") return "native code: system calls, the runtime";
  const ours = /\/yardmaster\/(?:dist|src)\/([^/]+)/.exec(url)?.[1];
  if (ours !== undefined) return `yardmaster: ${ours.replace(/\.[jt]s$/, "")}`;
  const [, library] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
  if (library !== undefined) return `library: ${library}`;
  return url.startsWith("node:") ? "Node.js: streams, timers, promises" : "the bench itself";
}

const IDLE = "(idle)";

function allocations(profile: HeapProfile, tasks: number): string[] {
  const bytes = new Map<string, number>();
  let total = 0;
  const visit = ({ callFrame, selfSize, children }: HeapNode): void => {
    const title = titleOf(callFrame);
    bytes.set(title, (bytes.get(title) ?? 0) + selfSize);
    total += selfSize;
    for (const child of children) visit(child);
  };
  visit(profile.head);
  const perTask = (size: number): string =>
    tasks === 0 ? "" : `${(size / tasks).toFixed(0).padStart(8)} B a task`;
  const top = [...bytes].sort(([, a], [, b]) => b - a).slice(0, SHOWN_ALLOCATIONS);
  return [
    `     all  ${perTask(total)}  ${(total / 1024 / 1024).toFixed(1)} MiB`,
    ...top.map(
      ([title, size]) => `${((100 * size) / total).toFixed(1).padStart(8)} %${perTask(size)}  ${title}`,
    ),
  ];
}

function titleOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`;
}
