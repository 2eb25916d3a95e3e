import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Where the build puts the dashboard, as seen from the sources and from the built package alike. */
const FOLDER = fileURLToPath(new URL("../../dist/dashboard/", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};
const PACKED = new Set([".html", ".js", ".css", ".svg", ".txt"]);

/** Every address that the page itself understands. */
const PAGES = [
  "/",
  "/queues",
  "/tasks",
  "/tasks/:id",
  "/graphs",
  "/graphs/:id",
  "/workers",
  "/schedules",
  "/shards",
  "/policy",
] as const;

/** No inline script or style, nothing from elsewhere, no HTML made of text. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");
/** Names of built files change with their content. */
const FOR_EVER = "public, max-age=31536000, immutable";

interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly packed: Buffer | null;
}

/** Marks what needs no token and tells nothing. */
export interface PageConfig {
  readonly isPage: true;
}

/** Serves the built dashboard from memory: no request names a file. Answers whether there is one. */
export function serveDashboard(app: FastifyInstance): boolean {
  const assets = loaded();
  const index = assets.get("/index.html");
  if (index === undefined) return false;
  const config: PageConfig = { isPage: true };
  const schema: object = { hide: true };
  for (const url of PAGES) {
    app.get(url, { config, schema }, (request, reply) => {
      reply.header("content-security-policy", PAGE_POLICY).header("cache-control", "no-cache");
      return sent(index, request, reply);
    });
  }
  for (const [url, asset] of assets) {
    if (url === "/index.html") continue;
    app.get(url, { config, schema }, (request, reply) => {
      if (url.startsWith("/assets/")) reply.header("cache-control", FOR_EVER);
      return sent(asset, request, reply);
    });
  }
  return true;
}

function sent({ type, body, packed }: Asset, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.type(type).header("vary", "accept-encoding");
  const takesPacked = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  if (packed === null || !takesPacked) return reply.send(body);
  return reply.header("content-encoding", "gzip").send(packed);
}

function loaded(): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const name of filesOf(FOLDER)) {
    const body = readFileSync(join(FOLDER, name));
    const extension = extname(name);
    const type = TYPES[extension];
    if (type === undefined) continue;
    const packed = PACKED.has(extension) ? gzipSync(body) : null;
    assets.set(`/${name}`, { type, body, packed });
  }
  return assets;
}

/** None where the package was built without it. */
function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory()
        ? readdirSync(join(folder, entry.name)).map((name) => `${entry.name}/${name}`)
        : entry.name,
    );
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
