/** What every task of the bench is given, in every system. */
export interface NoopInput {
  readonly n: number;
  readonly pad: string;
  /** Names a task whose first attempt fails. */
  readonly fails?: string;
}

export const PAYLOAD_BYTES = 100;
const FRAME_BYTES = JSON.stringify({ n: 1_000_000, pad: "" }).length;
const PAD = "x".repeat(PAYLOAD_BYTES - FRAME_BYTES);

/** An input of about 100 bytes of JSON. */
export function noopInput(n: number): NoopInput {
  return { n, pad: PAD };
}
