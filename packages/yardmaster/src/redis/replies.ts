/** Reads the server's answers: strings are buffers, missing ones null. */

export function textOf(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply ?? "");
}

export function textsIn(reply: unknown): string[] {
  return listOf(reply).map(textOf);
}

export function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}

export function buffersIn(reply: unknown): (Buffer | null)[] {
  return listOf(reply).map((item) => (Buffer.isBuffer(item) ? item : null));
}

/** The answer to INFO. */
export function infoOf(reply: unknown): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of textOf(reply).split("\r\n")) {
    const at = line.indexOf(":");
    if (at > 0 && !line.startsWith("#")) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}

/** An answer of names and values in turn. */
export function pairsOf(reply: unknown): Map<string, unknown> {
  const list = listOf(reply);
  const pairs = new Map<string, unknown>();
  for (let index = 0; index + 1 < list.length; index += 2) pairs.set(textOf(list[index]), list[index + 1]);
  return pairs;
}
