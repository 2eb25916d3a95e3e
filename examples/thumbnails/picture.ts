import { createHash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";

/** Pixels row by row, three bytes each: red, green and blue. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** Stands for a photo that a real worker would download and decode: waves in colours of its own. */
export function photoOf(url: string): Picture {
  const [width, height] = [1_600, 1_200];
  const waves = createHash("sha256").update(url).digest();
  const pixels = new Uint8Array(width * height * 3);
  for (let at = 0; at < pixels.length; at += 1) {
    const pixel = Math.floor(at / 3);
    const [x, y, color] = [pixel % width, Math.floor(pixel / width), at % 3];
    const phase = (x * (waves[color] ?? 0) + y * (waves[color + 3] ?? 0)) / 40_000;
    pixels[at] = 127.5 + 127.5 * Math.sin(phase);
  }
  return { width, height, pixels };
}

/** Each pixel is the mean of those that it stands for; a picture never grows. */
export function scaled(
  { width: fullWidth, height: fullHeight, pixels: full }: Picture,
  wanted: number,
): Picture {
  const width = Math.min(wanted, fullWidth);
  const height = Math.max(1, Math.round((fullHeight * width) / fullWidth));
  const pixels = new Uint8Array(width * height * 3);
  for (let at = 0; at < pixels.length; at += 1) {
    const pixel = Math.floor(at / 3);
    const [x, y, color] = [pixel % width, Math.floor(pixel / width), at % 3];
    const [left, right] = [Math.floor((x * fullWidth) / width), Math.floor(((x + 1) * fullWidth) / width)];
    const [top, bottom] = [
      Math.floor((y * fullHeight) / height),
      Math.floor(((y + 1) * fullHeight) / height),
    ];
    let sum = 0;
    for (let row = top; row < bottom; row += 1)
      for (let column = left; column < right; column += 1)
        sum += full[(row * fullWidth + column) * 3 + color] ?? 0;
    pixels[at] = sum / ((right - left) * (bottom - top));
  }
  return { width, height, pixels };
}

/** As a PNG file (RFC 2083), without filters. */
export function pngOf({ width, height, pixels }: Picture): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let row = 0; row < height; row += 1)
    rows.set(pixels.subarray(row * width * 3, (row + 1) * width * 3), row * (width * 3 + 1) + 1);
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND")]);
}

function chunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}
