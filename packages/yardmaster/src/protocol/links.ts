import type { Reader } from "./reader.ts";
import { FAILED_DEPENDENCY_RULES, MAX_AFTER, MAX_GRAPH_TASKS, type TaskLinks } from "./task.ts";
import { unwritable, type Writer } from "./writer.ts";

// Which fields follow.
const IN_GRAPH = 1;
const FED = 2;
const FLAGS = 3;
const ID_BYTES = 16;

export function writeLinks(writer: Writer, { graph, members, after, onFailure, fed }: TaskLinks): void {
  writer.byte((graph === "" ? 0 : IN_GRAPH) | (fed ? FED : 0));
  if (graph !== "") {
    if (!(members >= 1 && members <= MAX_GRAPH_TASKS))
      throw unwritable(`a graph of ${members} tasks is empty or too large`);
    writer.id(graph);
    writer.uint(members);
  }
  writer.choice(FAILED_DEPENDENCY_RULES, onFailure, "rule for failed dependencies");
  if (after.length > MAX_AFTER) throw unwritable(`a task cannot wait for ${after.length} others`);
  writer.uint(after.length);
  for (const id of after) writer.id(id);
}

export function readLinks(reader: Reader): TaskLinks {
  const flags = reader.byte();
  if (flags > FLAGS) reader.fail(`flags ${flags} of links are unknown`);
  const isInGraph = (flags & IN_GRAPH) !== 0;
  const graph = isInGraph ? reader.id() : "";
  const members = isInGraph ? reader.uintUpTo(MAX_GRAPH_TASKS, "the size of a graph") : 0;
  if (isInGraph && members === 0) reader.fail("a graph claims to be empty");
  const onFailure = reader.choice(FAILED_DEPENDENCY_RULES, "rule for failed dependencies");
  const count = reader.count(ID_BYTES, "a list of dependencies");
  if (count > MAX_AFTER) reader.fail(`a task claims to wait for ${count} others`);
  const after = Array.from({ length: count }, () => reader.id());
  return { graph, members, after, onFailure, fed: (flags & FED) !== 0 };
}
