/** FNV-1a (G. Fowler, L. Noll, K. Vo) over a text's UTF-16 units. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** How much a key wants a worker, by the hashes of both: the finalizer of MurmurHash3 (A. Appleby), which spreads each bit. */
export function scoreOf(key: number, worker: number): number {
  let mixed = Math.imul(key, 0x9e3779b1) ^ worker;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
