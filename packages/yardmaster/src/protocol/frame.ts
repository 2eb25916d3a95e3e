import { COLD, type ColdEnvelope, type ColdType } from "./cold-envelopes.ts";
import type { Envelope, Frame } from "./envelope.ts";
import {
  readAnswered,
  readAssign,
  readOutcome,
  readSettled,
  readSubmission,
  writeAnswered,
  writeAssign,
  writeOutcome,
  writeSettled,
  writeSubmission,
} from "./hot-envelopes.ts";
import { MAX_SHARD } from "./ids.ts";
import { internText } from "./interner.ts";
import { quoted } from "./quotation.ts";
import { Reader } from "./reader.ts";
import { checkTrusted } from "./seal.ts";
import { Shape } from "./shape.ts";
import { MAX_TABLE_TEXT_BYTES, ReaderTables, WriterTables } from "./tables.ts";
import { checkVersion, FRAME_VERSIONS } from "./versions.ts";
import { MAX_FRAME_BYTES, unwritable, Writer } from "./writer.ts";

/** The most envelopes in one frame. */
const MAX_ENVELOPES = 1024 * 1024;
/** The most bytes of JSON in one frame: small texts can become large objects. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

/** Kept free for the header and the last entries of the tables. */
const RESERVED_BYTES = 64 * 1024;

const MAGIC = 0x59;
const MAGIC_FRAME = 0x46;
/** A length in four bytes, then a type. */
const MIN_ENVELOPE_BYTES = 5;

/** A type's index is its number on the wire: only ever add at the end. */
const TYPES = [
  "submit",
  "assign",
  "outcome",
  "answered",
  "settled",
  "register",
  "heartbeat",
  "held",
  "goodbye",
  "cancel",
  "watch",
  "note",
  "query",
  "command",
  "marker",
  "echo",
  "abort",
  "heartbeatAnswer",
  "takeover",
  "drain",
  "accepted",
  "event",
  "reply",
  "unknown",
  "cancelDone",
  "handover",
  "slots",
] as const satisfies readonly Envelope["type"][];

const NUMBERS: ReadonlyMap<Envelope["type"], number> = new Map(TYPES.map((type, number) => [type, number]));

/** What stands in front of a frame, in the same place in every version. */
export interface FrameHeader {
  readonly version: number;
  readonly from: string;
  readonly shard: number;
  readonly epoch: number;
  readonly sequence: number;
}

/**
 * Writes frames one after another, each envelope straight into one buffer that is used again.
 *
 * When `add` throws, the envelope is not in the frame and the writer can go on.
 */
export class FrameWriter {
  private readonly header = new Writer(256);
  private readonly body = new Writer(16 * 1024);
  private readonly tables = new WriterTables();
  private jsonBytes = 0;
  private bodyBytes = 0;
  /** How many envelopes the frame has. */
  count = 0;

  /** Starts a frame; what was added and not finished is gone. */
  begin(from: string, shard: number, epoch: number, sequence: number): void {
    if (!(shard <= MAX_SHARD)) throw unwritable(`shard ${shard} is more than ${MAX_SHARD}`);
    this.tables.clear();
    this.body.clear();
    this.header.clear();
    this.count = 0;
    this.bodyBytes = 0;
    this.jsonBytes = 0;
    this.header.byte(MAGIC);
    this.header.byte(MAGIC_FRAME);
    this.header.byte(FRAME_VERSIONS.written);
    this.header.line(from, MAX_TABLE_TEXT_BYTES);
    this.header.uint(shard);
    this.header.uint(epoch);
    this.header.uint(sequence);
  }

  add(envelope: Envelope): void {
    const { body } = this;
    if (this.count === MAX_ENVELOPES) throw unwritable(`a frame has at most ${MAX_ENVELOPES} envelopes`);
    body.position = this.bodyBytes;
    const start = body.skip32();
    this.write(envelope);
    body.fixed32At(start, body.position - start - 4);
    if (body.position + this.tables.bytes > MAX_FRAME_BYTES - RESERVED_BYTES) {
      throw unwritable(`the frame would be larger than ${MAX_FRAME_BYTES} bytes: send what it has first`);
    }
    this.bodyBytes = body.position;
    this.count += 1;
  }

  /** The size of the frame so far, but for a few bytes. */
  get bytes(): number {
    return this.header.position + this.tables.bytes + this.bodyBytes;
  }

  /** The frame, in memory of its own. */
  finish(): Buffer {
    this.body.position = this.bodyBytes;
    this.header.uint(this.count);
    this.tables.writeCounts(this.header);
    const frame = Buffer.allocUnsafe(this.bytes);
    this.body.copyTo(frame, this.tables.copyTo(frame, this.header.copyTo(frame, 0)));
    return frame;
  }

  private write(envelope: Envelope): void {
    const { body, tables } = this;
    switch (envelope.type) {
      case "submit":
        body.byte(0);
        writeSubmission(body, envelope.submission, tables);
        break;
      case "assign":
        body.byte(1);
        writeAssign(body, envelope, tables);
        break;
      case "outcome":
        body.byte(2);
        writeOutcome(body, envelope);
        break;
      case "answered":
        body.byte(3);
        writeAnswered(body, envelope);
        break;
      case "settled":
        body.byte(4);
        writeSettled(body, envelope, tables);
        break;
      default:
        this.writeCold(envelope);
    }
  }

  /** The same shapes are asked on both sides: what nobody could read is refused before it is sent. */
  private writeCold(envelope: ColdEnvelope): void {
    const { type, ...fields } = envelope;
    const body = COLD[type](new Shape(fields, type, refuse));
    const json = JSON.stringify({ ...body, type: undefined });
    const jsonBytes = this.jsonBytes + Buffer.byteLength(json, "utf8");
    if (jsonBytes > MAX_JSON_BYTES) throw unwritable(`a frame has at most ${MAX_JSON_BYTES} bytes of JSON`);
    this.body.byte(NUMBERS.get(type) ?? 0);
    this.body.text(json, MAX_JSON_BYTES);
    this.jsonBytes = jsonBytes;
  }
}

const writer = new FrameWriter();

export function encodeFrame(frame: Frame): Buffer {
  writer.begin(frame.from, frame.shard, frame.epoch, frame.sequence);
  for (const envelope of frame.envelopes) writer.add(envelope);
  return writer.finish();
}

/**
 * Reads a frame whole or not at all.
 *
 * @throws UNSUPPORTED_VERSION for a frame of a newer version, FRAME_UNTRUSTED and KEY_MISSING for one whose signature does
 * not hold or cannot be checked, INVALID_FRAME for everything else that is not a frame; its `details` have `what` and
 * `offset`.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes[1] !== MAGIC_FRAME) checkTrusted(bytes, (frame) => readHeader(frame).from);
  const reader = new Reader(bytes);
  const { version, from, shard, epoch, sequence } = takeHeader(reader);
  checkVersion(version, FRAME_VERSIONS, `A frame from ${quoted(from)}`);
  const count = reader.count(MIN_ENVELOPE_BYTES, "the frame");
  if (count > MAX_ENVELOPES) reader.fail(`a frame has at most ${MAX_ENVELOPES} envelopes`);
  const tables = new ReaderTables(reader);
  const decoder = new EnvelopeReader(reader, tables);
  const envelopes: Envelope[] = [];
  for (let index = 0; index < count; index++) envelopes.push(decoder.next());
  reader.finish("the frame");
  return { from, shard, epoch, sequence, envelopes };
}

/**
 * Reads only what stands in front of a frame, of this version or a newer one, so that a frame with a damaged
 * envelope can be set aside under its sender's name.
 *
 * @throws INVALID_FRAME when the header itself cannot be read.
 */
export function readHeader(bytes: Uint8Array): FrameHeader {
  return takeHeader(new Reader(bytes));
}

function takeHeader(reader: Reader): FrameHeader {
  if (reader.end > MAX_FRAME_BYTES) reader.fail(`a frame has at most ${MAX_FRAME_BYTES} bytes`);
  if (reader.byte() !== MAGIC || reader.byte() !== MAGIC_FRAME) reader.fail("it does not start as a frame");
  const version = reader.byte();
  if (version === 0) reader.fail("version 0 does not exist");
  const from = internText(reader.line(MAX_TABLE_TEXT_BYTES));
  const shard = reader.uintUpTo(MAX_SHARD, "the shard");
  return { version, from, shard, epoch: reader.uint(), sequence: reader.uint() };
}

class EnvelopeReader {
  private readonly reader: Reader;
  private readonly tables: ReaderTables;
  private readonly end: number;
  private jsonBytes = 0;

  constructor(reader: Reader, tables: ReaderTables) {
    this.reader = reader;
    this.tables = tables;
    this.end = reader.end;
  }

  next(): Envelope {
    const { reader } = this;
    const length = reader.fixed32();
    if (length > reader.left) reader.fail(`an envelope claims ${length} bytes and ${reader.left} are left`);
    reader.end = reader.position + length;
    const envelope = this.read();
    if (reader.position !== reader.end) reader.finish("an envelope");
    reader.end = this.end;
    return envelope;
  }

  private read(): Envelope {
    const { reader, tables } = this;
    const type = reader.choice(TYPES, "envelope type");
    switch (type) {
      case "submit":
        return { type, submission: readSubmission(reader, tables) };
      case "assign":
        return readAssign(reader, tables);
      case "outcome":
        return readOutcome(reader);
      case "answered":
        return readAnswered(reader);
      case "settled":
        return readSettled(reader, tables);
      default:
        return this.readCold(type);
    }
  }

  private readCold(type: ColdType): Envelope {
    const { reader } = this;
    const json = reader.text(MAX_JSON_BYTES - this.jsonBytes);
    this.jsonBytes += json.length;
    return COLD[type](new Shape(this.parse(json, type), type, (what) => reader.fail(what)));
  }

  private parse(json: string, type: string): unknown {
    try {
      return JSON.parse(json);
    } catch {
      return this.reader.fail(`${type} is not JSON`);
    }
  }
}

function refuse(what: string): never {
  throw unwritable(what);
}
