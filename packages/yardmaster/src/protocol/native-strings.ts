declare global {
  /**
   * Node has had these methods since version 0.x and `buf.toString("latin1")` ends in them, but @types/node leaves
   * them out. Called directly they save the look-up of the encoding's name, a third of the cost of a short string.
   */
  interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> {
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
    /** Writes one byte for each character and returns how many it wrote. */
    latin1Write(text: string, offset?: number, length?: number): number;
    utf8Write(text: string, offset?: number, length?: number): number;
  }
}

export {};
