/** The shard of a queue: a queue lives wholly in one, so that its order and limits are exact. */
export function shardOfQueue(queue: string, shards: number): number {
  return shards === 1 ? 0 : hashOf(queue) % shards;
}

/** FNV-1a over a text's UTF-16 units; part of the yard's format, since tasks stay where they were sent. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}
