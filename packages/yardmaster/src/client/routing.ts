/**
 * The shard of a queue: a queue lives wholly in one, so that its order and limits are exact. FNV-1a over the
 * name's UTF-16 units; part of the yard's format, since tasks stay where they were sent.
 */
export function shardOfQueue(queue: string, shards: number): number {
  if (shards === 1) return 0;
  let hash = 0x811c9dc5;
  for (let index = 0; index < queue.length; index += 1) {
    const unit = queue.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return (hash >>> 0) % shards;
}
